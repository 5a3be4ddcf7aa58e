/* SPDX-License-Identifier: MIT */
/*
 * A TAP: an Ethernet interface of the kernel whose other end is this descriptor. The kernel's TCP is the
 * neighbour; with a bridge or routes behind it, so is the world.
 *
 * `tap:NAME` attaches to an interface that stands (made by an administrator for this user: `ip tuntap
 * add NAME mode tap user USER`), or makes one where that is allowed; one that we made is brought up and
 * vanishes with the link. `tap:fd=N` takes a descriptor that somebody else opened.
 *
 * Frames travel with a virtio-net header in front (vnet.c): checksums are left to the other side and
 * super-frames of up to 64 KiB pass as one, both ways, which makes this the fastest link there is. What ends in
 * the kernel itself goes there in frames of up to 256 KiB, which it takes (for what it calls BIG TCP, with IPv4
 * since Linux 6.3) although the IP header can't tell their length: a quarter of the system calls and wake-ups of the
 * reader, and the pages that hold them come back later, when they lie in no other core's cache any more. A frame takes
 * seventeen pieces of the kernel's memory at most, so where its memory is in small pieces it may have no room for a large
 * one: that one goes in segments.
 * A received super-frame is read straight into the packet that the stack will own (rx.c), its virtio-net header into
 * the headroom before it; a frame that we send is one writev() of header and slices, or, if small, one write() of a
 * copy: the kernel takes a list of pieces noticeably slower than one piece. `offload=0` does without; then
 * segments that come in a row are joined here (gro.c).
 *
 * `queues=N`: the interface has several queues (IFF_MULTI_QUEUE), of which each link that is opened takes
 * one; with N above 1 all N of this process stand for one address, a stack each (steer.c).
 *
 * `napi=1` (IFF_NAPI): what we write passes through a softirq of our core, as from a card. That costs each write most
 * of a microsecond, and spares whoever spins the slow round in every 33rd: the kernel's receiver on another core
 * hands the buffers of what we wrote back to ours in a list, which only such a softirq empties, and calls our
 * core by an interrupt when 32 wait there. Whoever spins gets it unless the string says otherwise.
 *
 * `napi=thread`: it is taken up by a thread of the kernel's instead, which may run on another core than ours. The
 * receiver's half of the kernel's work, else done inside our write(), then goes on beside us, in batches: more of
 * small things at once (connections opened and closed), and a longer way for each alone.
 *
 * Our MAC is the interface's own, changed in one bit: stable as long as the interface is, and not the
 * kernel's, which has the original.
 *
 * No timers. Data comes in by tap_recv() and out by tap_send(). The interface going away shows as EBADFD
 * and is -TEE_ENODEV; being down shows as EIO on writing, and such frames count as lost, as on a cable that
 * is unplugged.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include "base/check.h"
#include "link/counter_table.h"
#include "link/gro.h"
#include "link/gso_cut.h"
#include "link/netdev.h"
#include "link/rx.h"
#include "link/spec.h"
#include "link/steer.h"
#include "link/vnet.h"

#define TAP_DEVICE "/dev/net/tun"

enum {
	TAP_VNET_LEN = 12,
	TAP_MTU_FALLBACK = 1500,
	TAP_READ_BYTES = 256 << 10,  /* of one recv: what is read soon is still in the cache */
	TAP_COPY_BYTES = 256,        /* frames up to so long are sent as one piece */
	TAP_SUPER_BYTES = 256 << 10, /* to the kernel itself; half as much again gains no more */
};

struct tap_link {
	struct tee_link link;
	int fd;
	uint32_t queues;     /* 0: the interface has one; else how many are to be opened */
	size_t vnet_len;     /* 0: frames go bare */
	bool waits_for_room; /* the kernel took less than it was offered */
	struct rx_buffer rx;
	bool joins; /* the kernel sends segments one by one: gro makes super-frames of them */
	struct gro gro;
	uint64_t rx_frames, tx_frames, rx_super, tx_super, tx_big, tx_big_cut, rx_no_memory,
		rx_malformed, tx_down, tx_refused;
};

/* ---- frames ---- */

/* Takes a frame from the kernel although there is no memory for it, so that poll() falls silent. */
static int tap_discard(struct tap_link *self)
{
	uint8_t start[64];

	if (read(self->fd, start, sizeof(start)) >= 0) {
		self->rx_no_memory++;
		return 0;
	}
	return errno == EAGAIN || errno == EINTR ? 0 : -TEE_ENODEV;
}

/*
 * Reads a frame and puts it into the batch at pkts[idx], or, joined, into a packet before. Returns its length; 0:
 * none now; -TEE_EINVAL: it made no sense and was dropped; -TEE_ENODEV.
 */
static int tap_read(struct tap_link *self, struct tee_pool *pool, struct tee_pkt **pkts,
		    unsigned *idx)
{
	struct virtio_net_hdr_v1 vnet = {0};
	struct tee_pkt *pkt = rx_buffer_get(&self->rx, pool);
	uint8_t *start;
	ssize_t len;

	if (!pkt)
		return tap_discard(self);
	CHECK(pkt->off >= self->vnet_len);
	start = tee_pkt_bytes(pkt) - self->vnet_len;
	len = read(self->fd, start, self->vnet_len + RX_BUFFER_BYTES);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -TEE_ENODEV;
	if ((size_t)len <= self->vnet_len) {
		self->rx_malformed++;
		return -TEE_EINVAL;
	}
	memcpy(&vnet, start, self->vnet_len);
	len -= (ssize_t)self->vnet_len;
	if (self->joins &&
	    gro_join(&self->gro, tee_pkt_bytes(pkt), (uint32_t)len, TEE_CHECKSUM_UNKNOWN))
		return (int)len;
	pkt = rx_buffer_take(&self->rx, pool, (uint32_t)len);
	if (!vnet_to_pkt(&vnet, pkt)) {
		self->rx_malformed++;
		tee_pkt_release(pkt);
		return -TEE_EINVAL;
	}
	pkts[*idx] = pkt;
	if (self->joins)
		gro_hold(&self->gro, *idx);
	++*idx;
	return (int)len;
}

static int tap_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		    unsigned n, uint64_t now_ns)
{
	struct tap_link *self = (struct tap_link *)link;
	unsigned count = 0;
	size_t bytes = 0;

	if (self->joins)
		gro_begin(&self->gro, TEE_NETIF_ETHERNET, pool, ret_pkts);
	while (count < n && bytes < TAP_READ_BYTES) {
		int result = tap_read(self, pool, ret_pkts, &count);

		if (result == -TEE_EINVAL)
			continue;
		if (result < 0 && count == 0)
			return result;
		if (result <= 0)
			break;
		bytes += (size_t)result;
		self->rx_frames++;
	}
	for (unsigned i = 0; i < count; i++) {
		ret_pkts[i]->at_ns = now_ns;
		self->rx_super += ret_pkts[i]->gso_size > 0;
	}
	return (int)count;
}

/* What becomes of a frame that write() refused: 0 it is lost, -TEE_EAGAIN it waits, -TEE_ENODEV. */
static int tap_write_failed(struct tap_link *self, int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ENOMEM: return -TEE_EAGAIN;
	case EBADFD:
	case EBADF:
	case ENODEV: return -TEE_ENODEV;
	case EIO: self->tx_down++; return 0;
	default: self->tx_refused++; return 0;
	}
}

static ssize_t tap_write(const struct tap_link *self, const struct tee_frame *frame)
{
	uint8_t bytes[sizeof(struct virtio_net_hdr_v1) + TAP_COPY_BYTES];
	struct virtio_net_hdr_v1 vnet;
	struct iovec iov[VNET_IOV_MAX];

	if (frame->len > TAP_COPY_BYTES)
		return writev(self->fd, iov, (int)vnet_gather(iov, &vnet, self->vnet_len, frame));
	if (self->vnet_len > 0) {
		vnet_of_frame(&vnet, frame);
		memcpy(bytes, &vnet, self->vnet_len);
	}
	tee_frame_copy(frame, bytes + self->vnet_len);
	return write(self->fd, bytes, self->vnet_len + frame->len);
}

/* The kernel has no memory for the whole: it goes as segments, and one that is refused is lost as on a wire. */
static void tap_write_cut(struct tap_link *self, struct tee_frame *frame)
{
	struct tee_frame segment;
	struct gso_cut cut;

	self->tx_big_cut++;
	if (gso_cut_begin(&cut, frame) < 0) {
		self->tx_refused++;
		return;
	}
	while (gso_cut_next(&cut, &segment)) {
		if (tap_write(self, &segment) < 0)
			self->tx_refused++;
		else
			self->tx_frames++;
	}
}

static int tap_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct tap_link *self = (struct tap_link *)link;
	unsigned count = 0;

	(void)now_ns;
	self->waits_for_room = false;
	for (; count < n; count++) {
		if (tap_write(self, &frames[count]) < 0) {
			int result;

			if (frames[count].len > TEE_FRAME_LEN_MAX &&
			    (errno == ENOBUFS || errno == ENOMEM)) {
				tap_write_cut(self, &frames[count]);
				continue;
			}
			result = tap_write_failed(self, errno);
			if (result == -TEE_ENODEV && count == 0)
				return result;
			if (result < 0) {
				self->waits_for_room = true;
				break;
			}
			continue;
		}
		self->tx_frames++;
		self->tx_super += frames[count].gso_size > 0;
		self->tx_big += frames[count].len > TEE_FRAME_LEN_MAX;
	}
	return (int)count;
}

static int tap_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct tap_link *self = (struct tap_link *)link;

	if (n == 0)
		return 0;
	fds[0] = (struct tee_link_poll){.fd = self->fd, .events = POLLIN};
	if (self->waits_for_room)
		fds[0].events |= POLLOUT;
	return 1;
}

static bool tap_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			uint64_t *ret_value)
{
	const struct tap_link *self = (const struct tap_link *)link;
	const struct link_counter counters[] = {
		{"tap.rx_frames", self->rx_frames},       {"tap.tx_frames", self->tx_frames},
		{"tap.rx_super_frames", self->rx_super},  {"tap.tx_super_frames", self->tx_super},
		{"tap.tx_big_frames", self->tx_big},      {"tap.rx_no_memory", self->rx_no_memory},
		{"tap.rx_malformed", self->rx_malformed}, {"tap.tx_interface_down", self->tx_down},
		{"tap.tx_refused", self->tx_refused},     {"tap.rx_joined", self->gro.joined},
		{"tap.tx_big_cut", self->tx_big_cut},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), NULL, idx, ret_name, ret_value);
}

static void tap_close(struct tee_link *link)
{
	struct tap_link *self = (struct tap_link *)link;

	if (self->fd >= 0)
		close(self->fd);
	rx_buffer_fini(&self->rx);
	free(self);
}

static const struct tee_link_ops tap_ops = {
	.recv = tap_recv,
	.send = tap_send,
	.poll_fds = tap_poll_fds,
	.counter = tap_counter,
	.close = tap_close,
};

/* ---- opening ---- */

static int tap_open_device(char ret_error[TEE_LINK_ERROR_SIZE])
{
	int fd = open(TAP_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return link_fail(ret_error, -TEE_ENODEV,
				 "there is no " TAP_DEVICE
				 " here: 'modprobe tun' as root, or use slirp");
	if (errno == EACCES || errno == EPERM)
		return link_fail(ret_error, -TEE_EPERM,
				 "no permission to open " TAP_DEVICE ": run as root, have its mode "
				 "changed to 0666, pass an open one as tap:fd=N, or use slirp");
	return link_fail(ret_error, link_result_of_errno(errno), TAP_DEVICE ": %s",
			 strerror(errno));
}

/* TUNSETIFF; 0 or an errno value. An interface that was made with several queues must be told so. */
static int tap_attach(int fd, const char *name, short flags)
{
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return 0;
	if (errno == EINVAL && !(flags & IFF_MULTI_QUEUE))
		return tap_attach(fd, name, (short)(flags | IFF_MULTI_QUEUE));
	return errno;
}

static int tap_attach_failed(const struct tap_link *self, const char *name, int error, bool existed,
			     char ret_error[TEE_LINK_ERROR_SIZE])
{
	if (error == EPERM && existed)
		return link_fail(
			ret_error, -TEE_EPERM,
			"interface %.15s belongs to another user: as root, 'ip tuntap del %.15s "
			"mode tap; ip tuntap add %.15s mode tap user %u'",
			name, name, name, (unsigned)getuid());
	if (error == EPERM)
		return link_fail(
			ret_error, -TEE_EPERM,
			"no permission to make the interface %.15s: as root, 'ip tuntap add %.15s "
			"mode tap user %u; ip link set %.15s up'; or work inside 'unshare -Urn', or use slirp",
			name, name, (unsigned)getuid(), name);
	if (error == EBUSY)
		return link_fail(ret_error, -TEE_EADDRINUSE,
				 "interface %.15s is in use by another program: end it, or choose "
				 "another name",
				 name);
	if (error == EINVAL && existed && self->queues > 0)
		return link_fail(ret_error, -TEE_EINVAL,
				 "interface %.15s has one queue only (or is not a TAP): as root, "
				 "'ip tuntap del %.15s mode tap; ip tuntap add %.15s mode tap "
				 "multi_queue user %u; ip link set %.15s up'",
				 name, name, name, (unsigned)getuid(), name);
	if (error == EINVAL && existed)
		return link_fail(
			ret_error, -TEE_EINVAL,
			"interface %.15s is not a TAP: choose another name, or use packet:%.15s",
			name, name);
	return link_fail(ret_error, link_result_of_errno(error), "interface %.15s: %s", name,
			 strerror(error));
}

/* The header's length and what the kernel may send us; without offloads when it refuses. */
static void tap_set_offloads(struct tap_link *self, bool wanted)
{
	struct tee_link_info *info = &self->link.info;
	const unsigned all = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int len = TAP_VNET_LEN;

	/* Who had the interface before may have left it with offloads. */
	if (self->vnet_len == 0) {
		ioctl(self->fd, TUNSETOFFLOAD, 0);
		return;
	}
	if (ioctl(self->fd, TUNSETVNETHDRSZ, &len) < 0)
		len = sizeof(struct virtio_net_hdr);
	self->vnet_len = (size_t)len;
	if (wanted && ioctl(self->fd, TUNSETOFFLOAD, all) == 0)
		info->offloads = TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6;
	else
		ioctl(self->fd, TUNSETOFFLOAD, 0);
}

/* napi=: who takes up what we write. */
enum tap_napi { TAP_NAPI_OFF, TAP_NAPI_SOFTIRQ, TAP_NAPI_THREAD };

/* The kernel's switch, which stands behind an attached queue only, and stays with the interface. */
static int tap_set_napi(const char *name, unsigned napi, char ret_error[TEE_LINK_ERROR_SIZE])
{
	const char *value = napi == TAP_NAPI_THREAD ? "1" : "0";
	char path[64 + IFNAMSIZ];
	int fd, error = 0;

	if (napi == TAP_NAPI_OFF)
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/threaded", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, 1) != 1)
		error = errno;
	if (fd >= 0)
		close(fd);
	if (error == 0 || napi != TAP_NAPI_THREAD)
		return 0;
	return link_fail(
		ret_error, link_result_of_errno(error),
		"interface %.15s: no thread of the kernel's takes up what is written (%s: "
		"%s): that needs root, Linux 5.12 and the sysfs of this network namespace; "
		"without napi=thread it works too",
		name, path, strerror(error));
}

static int tap_open_name(struct tap_link *self, const struct link_spec *spec,
			 char ret_error[TEE_LINK_ERROR_SIZE])
{
	const char *name = spec->name;
	bool existed = if_nametoindex(name) != 0;
	static const char *const napis[] = {"0", "1", "thread", NULL};
	unsigned napi = spec->is_spun ? TAP_NAPI_SOFTIRQ : TAP_NAPI_OFF;
	uint32_t offload = 1;
	int error, result;

	if (strlen(name) >= IFNAMSIZ || strchr(name, '/') || strchr(name, '%'))
		return link_fail(
			ret_error, -TEE_EINVAL,
			"'%.32s' can't be an interface's name: at most 15 letters and digits",
			name);
	if ((result = link_spec_u32(spec, "queues", 0, STEER_QUEUES_MAX, &self->queues,
				    ret_error)) < 0 ||
	    (result = link_spec_u32(spec, "offload", 0, 1, &offload, ret_error)) < 0 ||
	    (result = link_spec_word(spec, "napi", napis, &napi, ret_error)) < 0)
		return result;
	self->fd = tap_open_device(ret_error);
	if (self->fd < 0)
		return self->fd;
	error = tap_attach(self->fd, name,
			   (short)((offload ? IFF_VNET_HDR : 0) |
				   (self->queues ? IFF_MULTI_QUEUE : 0) | (napi ? IFF_NAPI : 0)));
	if (error)
		return tap_attach_failed(self, name, error, existed, ret_error);
	result = tap_set_napi(name, napi, ret_error);
	if (result < 0)
		return result;
	self->vnet_len = offload ? TAP_VNET_LEN : 0;
	if (!existed) {
		result = netdev_set_up(name);
		if (result < 0)
			return link_fail(ret_error, result,
					 "interface %.15s was made but can't be "
					 "brought up: 'ip link set %.15s up' as root",
					 name, name);
	} else if (!netdev_is_up(name)) {
		return link_fail(ret_error, -TEE_ENETDOWN,
				 "interface %.15s is down: 'ip link set %.15s up' as root", name,
				 name);
	}
	return 0;
}

static int tap_open_fd(struct tap_link *self, const struct link_spec *spec, char name[IFNAMSIZ],
		       char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct ifreq request = {0};
	uint32_t fd = 0;
	int result = link_spec_u32(spec, "fd", 0, INT32_MAX, &fd, ret_error);

	if (result < 0)
		return result;
	if (link_spec_get(spec, "queues") || link_spec_get(spec, "napi"))
		return link_fail(
			ret_error, -TEE_EINVAL,
			"tap: a descriptor is one queue as it was opened: queues= and napi= "
			"go with tap:NAME");
	self->fd = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
	if (self->fd < 0)
		return link_fail(ret_error, -TEE_EINVAL, "tap: descriptor %u is not open", fd);
	if (ioctl(self->fd, TUNGETIFF, &request) < 0)
		return link_fail(ret_error, -TEE_EINVAL,
				 "tap: descriptor %u is not a TAP's: open " TAP_DEVICE
				 " and set it up with TUNSETIFF before",
				 fd);
	/* Of IFF_NO_PI the kernel does not tell: it reports the flag whether it was given or not. */
	if (!(request.ifr_flags & IFF_TAP))
		return link_fail(ret_error, -TEE_EINVAL,
				 "tap: descriptor %u is a TUN's: set it up with IFF_TAP|IFF_NO_PI",
				 fd);
	self->vnet_len = request.ifr_flags & IFF_VNET_HDR ? TAP_VNET_LEN : 0;
	fcntl(self->fd, F_SETFL, fcntl(self->fd, F_GETFL) | O_NONBLOCK);
	memcpy(name, request.ifr_name, IFNAMSIZ);
	return 0;
}

static int tap_fill_info(struct tap_link *self, const struct link_spec *spec, const char *name,
			 char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;
	struct ifreq request = {0};
	struct netdev netdev;
	struct tee_mac kernel_mac;
	uint32_t mtu = TAP_MTU_FALLBACK, offload = 1;
	int result;

	if (netdev_get(name, &netdev) == 0)
		mtu = netdev.mtu;
	if ((result = link_spec_u32(spec, "mtu", 68, 65521, &mtu, ret_error)) < 0 ||
	    (result = link_spec_u32(spec, "offload", 0, 1, &offload, ret_error)) < 0)
		return result;
	/* Asked of the descriptor: the interface may be in another namespace. */
	if (ioctl(self->fd, SIOCGIFHWADDR, &request) < 0)
		return link_fail(ret_error, link_result_of_errno(errno),
				 "interface %.15s: no MAC: %s", name, strerror(errno));
	memcpy(kernel_mac.byte, request.ifr_hwaddr.sa_data, sizeof(kernel_mac.byte));
	info->mac = netdev_derive_mac(&kernel_mac);
	result = link_spec_mac(spec, &info->mac, ret_error);
	if (result < 0)
		return result;
	info->kind = TEE_NETIF_ETHERNET;
	snprintf(info->name, sizeof(info->name), "tap:%.15s", name);
	info->mtu = mtu;
	info->gso_bytes_max = 65535;
	info->far_mac = kernel_mac;
	info->wants_dhcp = true;
	/* The only neighbour is the kernel at the other end. */
	info->acd_second_ns = 50 * TEE_NS_PER_MS;
	tap_set_offloads(self, offload);
	if ((info->offloads & TEE_OFFLOAD_TSO4) && netdev_takes_big())
		info->far_gso_bytes_max = TAP_SUPER_BYTES;
	self->joins = !info->offloads;
	return 0;
}

static int tap_open(const struct link_spec *spec, struct tee_link **ret_link,
		    char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tap_link *self;
	char name[IFNAMSIZ] = "";
	bool by_fd = link_spec_get(spec, "fd") != NULL;
	int result;

	if (by_fd == (*spec->name != '\0'))
		return link_fail(ret_error, -TEE_EINVAL,
				 "tap: name an interface, tap:NAME, or a descriptor, tap:fd=N");
	self = calloc(1, sizeof(*self));
	if (!self)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the tap link");
	self->link.ops = &tap_ops;
	self->fd = -1;
	if (by_fd)
		result = tap_open_fd(self, spec, name, ret_error);
	else
		result = tap_open_name(self, spec, ret_error);
	if (result == 0)
		result = tap_fill_info(self, spec, by_fd ? name : spec->name, ret_error);
	if (result == 0) {
		*ret_link = &self->link;
		if (self->queues <= 1)
			return 0;
		result = steer_open(&self->link, self->queues, NULL, ret_link);
		if (result == 0)
			return 0;
		link_fail(ret_error, result, "%s: all %u queues are open, or not as many",
			  self->link.info.name, self->queues);
	}
	tap_close(&self->link);
	return result;
}

/* Does the interface say that it is a TAP of this user? */
static bool tap_is_owned(const char *name)
{
	char path[64 + IFNAMSIZ], text[16] = "", *end;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/owner", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	/* A TAP without an owner says -1. */
	return strtol(text, &end, 10) == (long)getuid() && end > text;
}

static bool tap_owns_any(void)
{
	struct if_nameindex *list = if_nameindex();
	bool found = false;

	for (struct if_nameindex *at = list; at && at->if_index && !found; at++)
		found = tap_is_owned(at->if_name);
	if (list)
		if_freenameindex(list);
	return found;
}

static int tap_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	int fd = tap_open_device(ret_reason), error;

	if (fd < 0)
		return fd;
	/* Made without TUNSETPERSIST, it is gone with the descriptor. */
	error = tap_attach(fd, "teeprobe%d", IFF_VNET_HDR);
	close(fd);
	ret_reason[0] = '\0';
	if (error == 0 || tap_owns_any())
		return 0;
	return link_fail(
		ret_reason, link_result_of_errno(error),
		"no TAP belongs to this user, and making one isn't permitted: as root, 'ip tuntap "
		"add tee0 mode tap user %u; ip link set tee0 up'",
		(unsigned)getuid());
}

const struct link_kind link_kind_tap = {
	.about = {.name = "tap",
		  .syntax = "tap:NAME[,mac=MAC,mtu=N,offload=0,napi=1|thread,queues=N] or "
			    "tap:fd=N[,mac=MAC,mtu=N,offload=0]",
		  .summary = "a TAP interface: the kernel is the neighbour; the fastest"},
	.keys = "fd mac mtu napi offload queues",
	.takes_name = true,
	.open = tap_open,
	.probe = tap_probe,
};
