/* SPDX-License-Identifier: MIT */
/*
 * Attaching the program of an AF_XDP link, and the maps by which it is told what is ours.
 *
 * The program hangs on the interface by a BPF link, a descriptor: when the last holder of it is gone,
 * by whatever end, SIGKILL included, the kernel takes the program off. Nothing has to be cleaned up, and
 * nothing can be left behind. (libxdp's own way, a dispatcher pinned in a file system, outlives its maker.)
 *
 * Where it runs: in the driver when that can (native), else in the kernel just before its stack
 * (generic). It is loaded as one that takes frames of several buffers where kernel and driver know
 * such (Linux 5.18); so jumbo frames and what was merged on receipt pass.
 *
 * Maps: sockets by receive queue; with a shared address also the addresses, and the ports as bits in memory
 * that is mapped here too. They come before the program, whose code names them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <linux/if_link.h>
#include "base/check.h"
#include "link/spec.h"
#include "link/xdp_steer.h"

#define XDP_LICENSE "Dual MIT/GPL"

static int steer_failed(const char *what, const char *name, int error,
			char ret_error[TEE_LINK_ERROR_SIZE])
{
	if (error == EPERM || error == EACCES)
		return link_fail(
			ret_error, -TEE_EPERM,
			"no permission to %s%s: run as root, or 'setcap "
			"cap_bpf,cap_net_admin,cap_net_raw+ep' the program, or use packet:",
			what, name);
	return link_fail(ret_error, link_result_of_errno(error), "can't %s%s: %s", what, name,
			 strerror(error));
}

void xdp_steer_init(struct xdp_steer *steer)
{
	memset(steer, 0, sizeof(*steer));
	steer->maps = (struct xdp_program_maps){-1, -1, -1};
	steer->program_fd = steer->link_fd = -1;
}

int xdp_steer_make_maps(struct xdp_steer *steer, unsigned queue_count, bool by_port)
{
	struct xdp_program_maps *maps = &steer->maps;
	struct bpf_map_create_opts mmapable = {.sz = sizeof(mmapable), .map_flags = BPF_F_MMAPABLE};
	void *memory;

	maps->sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "tee_sockets", sizeof(uint32_t),
				       sizeof(int), queue_count, NULL);
	if (maps->sockets < 0)
		return link_result_of_errno(errno);
	if (!by_port)
		return 0;
	maps->addresses = bpf_map_create(BPF_MAP_TYPE_HASH, "tee_addresses", sizeof(struct tee_ip),
					 sizeof(uint8_t), XDP_ADDRESSES_MAX, NULL);
	if (maps->addresses < 0)
		return link_result_of_errno(errno);
	maps->ports = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tee_ports", sizeof(uint32_t),
				     XDP_PORTS_BYTES, 1, &mmapable);
	if (maps->ports < 0)
		return link_result_of_errno(errno);
	memory = mmap(NULL, XDP_PORTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, maps->ports, 0);
	if (memory == MAP_FAILED)
		return link_result_of_errno(errno);
	steer->ports = memory;
	return 0;
}

/* Loads the program and hangs it on the interface. 0, or an errno value with what was being done. */
static int attach(struct xdp_steer *steer, const struct xdp_program *program, int ifindex,
		  uint32_t mode_flag, bool frags, const char **ret_what)
{
	struct bpf_prog_load_opts load = {.sz = sizeof(load),
					  .expected_attach_type = BPF_XDP,
					  .prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0};
	struct bpf_link_create_opts where = {.sz = sizeof(where), .flags = mode_flag};

	*ret_what = "load an XDP program for ";
	steer->program_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "tee_steer", XDP_LICENSE,
					  program->code, program->len, &load);
	if (steer->program_fd < 0)
		return errno;
	*ret_what = "attach an XDP program to ";
	steer->link_fd = bpf_link_create(steer->program_fd, ifindex, BPF_XDP, &where);
	if (steer->link_fd < 0) {
		int error = errno;

		close(steer->program_fd);
		steer->program_fd = -1;
		return error;
	}
	steer->is_native = mode_flag == XDP_FLAGS_DRV_MODE;
	steer->has_frags = frags;
	return 0;
}

static int attach_best(struct xdp_steer *steer, const struct xdp_program *program, const char *name,
		       int ifindex, enum xdp_mode mode, char ret_error[TEE_LINK_ERROR_SIZE])
{
	static const struct {
		uint32_t mode_flag;
		bool frags;
	} ways[] = {
		{XDP_FLAGS_DRV_MODE, true},
		{XDP_FLAGS_DRV_MODE, false},
		{XDP_FLAGS_SKB_MODE, true},
		{XDP_FLAGS_SKB_MODE, false},
	};
	const char *what = "";
	int error = EOPNOTSUPP;

	for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
		bool is_native = ways[i].mode_flag == XDP_FLAGS_DRV_MODE;

		if (mode != XDP_MODE_AUTO && is_native == (mode == XDP_MODE_GENERIC))
			continue;
		error = attach(steer, program, ifindex, ways[i].mode_flag, ways[i].frags, &what);
		if (error == 0)
			return 0;
		/* Other ways would not be let in either. */
		if (error == EPERM || error == EBUSY || error == EEXIST)
			break;
	}
	if (error == EBUSY || error == EEXIST)
		return link_fail(ret_error, -TEE_EALREADY,
				 "another XDP program is on %.15s: 'ip link show %.15s' names it; "
				 "end who put it there, or 'ip link set %.15s xdp off'",
				 name, name, name);
	if (error != EPERM && mode != XDP_MODE_GENERIC)
		return link_fail(ret_error, link_result_of_errno(error),
				 "the driver of %.15s takes no XDP program (%s): use mode=generic",
				 name, strerror(error));
	return steer_failed(what, name, error, ret_error);
}

int xdp_steer_open(struct xdp_steer *steer, const char *name, const struct netdev *netdev,
		   unsigned queue_count, enum xdp_mode mode, const struct tee_mac *mac,
		   char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct xdp_program program;

	if (xdp_steer_make_maps(steer, queue_count, mac == NULL) < 0)
		return steer_failed("make BPF maps", "", errno, ret_error);
	if (mac)
		xdp_program_by_mac(&program, mac, &steer->maps);
	else
		xdp_program_by_port(&program, &steer->maps);
	return attach_best(steer, &program, name, netdev->ifindex, mode, ret_error);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void xdp_steer_close(struct xdp_steer *steer)
{
	close_fd(&steer->link_fd);
	close_fd(&steer->program_fd);
	if (steer->ports)
		munmap(steer->ports, XDP_PORTS_BYTES);
	steer->ports = NULL;
	close_fd(&steer->maps.sockets);
	close_fd(&steer->maps.addresses);
	close_fd(&steer->maps.ports);
}

int xdp_steer_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	struct xdp_program program;
	struct xdp_steer steer;
	int result = 0;

	xdp_steer_init(&steer);
	if (xdp_steer_make_maps(&steer, 1, true) < 0) {
		result = steer_failed("make BPF maps", "", errno, ret_reason);
	} else {
		xdp_program_by_port(&program, &steer.maps);
		steer.program_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "tee_probe", XDP_LICENSE,
						 program.code, program.len, NULL);
		if (steer.program_fd < 0)
			result = steer_failed("load an XDP program", "", errno, ret_reason);
	}
	xdp_steer_close(&steer);
	return result;
}

int xdp_steer_add_socket(struct xdp_steer *steer, uint32_t queue, int fd)
{
	if (bpf_map_update_elem(steer->maps.sockets, &queue, &fd, BPF_ANY) < 0)
		return link_result_of_errno(errno);
	return 0;
}

static bool list_has(const struct tee_ip *ips, unsigned n, const struct tee_ip *ip)
{
	for (unsigned i = 0; i < n; i++)
		if (tee_ip_equal(&ips[i], ip))
			return true;
	return false;
}

int xdp_steer_set_addresses(struct xdp_steer *steer, const struct tee_ip *ips, unsigned n)
{
	const uint8_t is_ours = 1;

	if (n > XDP_ADDRESSES_MAX)
		return -TEE_ENOBUFS;
	for (unsigned i = 0; i < steer->address_count; i++)
		if (!list_has(ips, n, &steer->addresses[i]))
			bpf_map_delete_elem(steer->maps.addresses, &steer->addresses[i]);
	steer->address_count = 0;
	for (unsigned i = 0; i < n; i++) {
		if (bpf_map_update_elem(steer->maps.addresses, &ips[i], &is_ours, BPF_ANY) < 0)
			return link_result_of_errno(errno);
		steer->addresses[steer->address_count++] = ips[i];
	}
	return 0;
}

static uint8_t *port_byte(const struct xdp_steer *steer, enum xdp_port_set set, uint16_t port)
{
	return &steer->ports[set * XDP_PORT_SET_BYTES + port / 8];
}

void xdp_steer_take_port(struct xdp_steer *steer, enum xdp_port_set set, uint16_t port)
{
	__atomic_fetch_or(port_byte(steer, set, port), (uint8_t)(1 << port % 8), __ATOMIC_RELEASE);
}

bool xdp_steer_has_port(const struct xdp_steer *steer, enum xdp_port_set set, uint16_t port)
{
	return *port_byte(steer, set, port) >> port % 8 & 1;
}
