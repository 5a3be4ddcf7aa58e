/* SPDX-License-Identifier: MIT */
/*
 * Types that every other public header uses: results, addresses, time.
 *
 * Time is a count of nanoseconds since an origin of the caller's choice, unsigned 64-bit, never
 * going back. It enters the stack only as the `now_ns` argument of tee_input(), tee_output() and
 * tee_advance().
 */
#ifndef TEECEEPEE_TYPES_H
#define TEECEEPEE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TEE_API __attribute__((visibility("default")))

/* "No deadline": later than every instant. */
#define TEE_NEVER UINT64_MAX

#define TEE_NS_PER_US UINT64_C(1000)
#define TEE_NS_PER_MS UINT64_C(1000000)
#define TEE_NS_PER_S  UINT64_C(1000000000)

/*
 * What went wrong. Functions return a value at or above 0 on success, and the negative of one of
 * these on failure; what they would have stored through a ret_ pointer is then untouched.
 */
enum tee_error {
	TEE_EOK = 0,
	TEE_EAGAIN,        /* would block: nothing to read, no room to write, nobody to accept */
	TEE_EINPROGRESS,   /* the connection is being opened; wait for TEE_EV_WRITABLE */
	TEE_EALREADY,      /* an earlier connect has not finished */
	TEE_EISCONN,       /* already connected */
	TEE_ENOTCONN,      /* not connected */
	TEE_ECONNREFUSED,  /* the peer answered our SYN with RST, or ICMP said port unreachable */
	TEE_ECONNRESET,    /* the peer reset the connection */
	TEE_ECONNABORTED,  /* the connection ended before it was accepted, or by tee_abort() */
	TEE_ETIMEDOUT,     /* retransmission, keep-alive or user timeout ran out */
	TEE_EHOSTUNREACH,  /* no neighbour answered, or ICMP host unreachable */
	TEE_ENETUNREACH,   /* no route, or ICMP network unreachable */
	TEE_ENOPROTOOPT,   /* unknown option, or ICMP protocol unreachable */
	TEE_EADDRINUSE,    /* the local address and port are taken */
	TEE_EADDRNOTAVAIL, /* the local address is not ours, or no free port is left */
	TEE_EAFNOSUPPORT,  /* the address family doesn't fit the socket */
	TEE_EINVAL,        /* an argument or the socket's state forbids it */
	TEE_EPIPE,         /* sending was shut down */
	TEE_EMSGSIZE,      /* the datagram is larger than can be sent */
	TEE_ENOMEM,        /* the allocator refused */
	TEE_ENOBUFS,       /* a configured limit was reached */
	TEE_EDESTADDRREQ,  /* no destination was given */
	TEE_EACCES, /* broadcast without TEE_OPT_BROADCAST, or forbidden by the link or an IPv6 router */
	TEE_EOPNOTSUPP, /* not for this kind of socket */
	TEE_EIO,        /* the link failed */
	TEE_ENODEV,     /* no such interface or link; it may have gone away while running */
	TEE_ENOENT,     /* the name was not found */
	TEE_EPERM,      /* a privilege is missing */
	TEE_EPROTO,     /* the other end broke the protocol */
	TEE_ECANCELED,  /* ended by the caller */
	TEE_ENETDOWN,   /* the interface is down */
	TEE_ERROR_COUNT
};

/* A short sentence for an error, positive or negative; never NULL. Static storage. */
TEE_API const char *tee_strerror(int error);

/*
 * An Internet address of either family in one form: IPv6, and IPv4 as the IPv4-mapped address
 * ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). All zero means "any address of any family";
 * ::ffff:0.0.0.0 means "any IPv4 address".
 */
struct tee_ip {
	uint8_t byte[16];
};

#define TEE_IP_ANY ((struct tee_ip){{0}})
#define TEE_IP4(a, b, c, d) \
 ((struct tee_ip){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), (c), (d)}})

enum { TEE_IP_TEXT_SIZE = 64, TEE_ENDPOINT_TEXT_SIZE = 80 };

/*
 * An address with a port. `netif` is the interface number that a link-local address belongs to
 * (its zone, RFC 4007), 0 when it does not matter. The port is in host byte order.
 */
struct tee_endpoint {
	struct tee_ip ip;
	uint16_t port;
	uint16_t netif;
};

struct tee_mac {
	uint8_t byte[6];
};

TEE_API bool tee_ip_is4(const struct tee_ip *ip);
/* Is it 0.0.0.0, :: or the v4-mapped any address? */
TEE_API bool tee_ip_is_any(const struct tee_ip *ip);
TEE_API bool tee_ip_equal(const struct tee_ip *a, const struct tee_ip *b);
/*
 * Reads "10.0.4.4" or "fd00::1" (no zone, no prefix). Returns 0 or -TEE_EINVAL.
 */
TEE_API int tee_ip_parse(const char *text, struct tee_ip *ret_ip);
/*
 * Reads "10.0.4.4/24"; without "/", the prefix length is that of a host (32 or 128).
 * `ret_prefix_bits` counts in the address's own family. Returns 0 or -TEE_EINVAL.
 */
TEE_API int tee_ip_parse_prefix(const char *text, struct tee_ip *ret_ip, unsigned *ret_prefix_bits);
/* Reads "1.2.3.4:80" or "[fd00::1]:80". Returns 0 or -TEE_EINVAL. */
TEE_API int tee_endpoint_parse(const char *text, struct tee_endpoint *ret_endpoint);
/* Write text (RFC 5952 form for IPv6) and return `text`, which holds at least the sizes above. */
TEE_API const char *tee_ip_format(const struct tee_ip *ip, char text[TEE_IP_TEXT_SIZE]);
TEE_API const char *tee_endpoint_format(const struct tee_endpoint *endpoint,
					char text[TEE_ENDPOINT_TEXT_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
