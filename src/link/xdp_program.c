/* SPDX-License-Identifier: MIT */
/*
 * The program that the kernel runs on each frame of the interface before its own stack sees it, and that
 * hands ours to an AF_XDP socket. Everything else passes on to the kernel, untouched.
 *
 * By MAC: IPv4, IPv6 and ARP to a MAC of our own. Group addresses pass, since a frame can go one way
 * only; the link hears them by a packet socket (xdp.c).
 *
 * By port, for an address that is the kernel's as well:
 *   - TCP and UDP, when destination address and port are in the maps;
 *   - ICMP errors (RFC 792, RFC 4443: types 3, 11, 12, and 1 to 4) that quote a packet of ours: path
 *     MTUs and unreachable ports concern who sent it. The kernel knows no such connection and would drop them;
 *   - echo replies to an id of ours; requests are the kernel's to answer.
 * Not: fragments, which have ports in the first one only and must be put together in one place; IPv6 with
 * extension headers; what carries a VLAN's tag. All that goes to the kernel.
 *
 * The bits of the map of ports are read where they lie, without a call: the map is one value,
 * whose address the loader puts into the code (BPF_PSEUDO_MAP_VALUE), and the user's side has the same
 * memory mapped. So a port becomes ours by one store, with no system call and no new program.
 *
 * Instructions are written here, one function a matter, instead of compiled from C: the build then needs
 * no clang and no object file's loader, and the program exists in the shape that is wanted.
 * test_xdp_program.c runs it in the kernel on frames of every kind. Verifier's demands: every
 * access is behind a comparison with data_end; an offset that comes from the packet is bounded.
 *
 * Registers: R6 the context, R7 the frame, R8 its end, R9 the transport header; from protocol() on R7
 * is the protocol's number. R0 to R5 don't outlive a call.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include "base/check.h"
#include "link/xdp_program.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"

enum { OFF_TYPE = 12, OFF_IP = ETHERNET_HEADER_LEN, QUOTE = ICMP_HEADER_LEN };
enum { KEY_AT = -16 }; /* of the address that is looked up, from the frame pointer R10 */

enum label { PASS, REDIRECT, IP4, IP6, PROTOCOL, PORTS, ICMP4, ICMP6, QUOTED, LABEL_COUNT };

struct assembler {
	struct xdp_program *program;
	unsigned place[LABEL_COUNT];
	uint8_t target[XDP_PROGRAM_LEN_MAX]; /* label + 1 of a jump, 0: no jump */
};

/* ---- instructions ---- */

static void emit(struct assembler *as, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
		 int32_t imm)
{
	struct xdp_program *program = as->program;

	CHECK(program->len < XDP_PROGRAM_LEN_MAX);
	program->code[program->len++] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm};
}

static void move(struct assembler *as, uint8_t dst, uint8_t src)
{
	emit(as, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void move_imm(struct assembler *as, uint8_t dst, int32_t imm)
{
	emit(as, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static void alu(struct assembler *as, uint8_t op, uint8_t dst, uint8_t src)
{
	emit(as, BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
}

static void alu_imm(struct assembler *as, uint8_t op, uint8_t dst, int32_t imm)
{
	emit(as, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

static void load(struct assembler *as, uint8_t size, uint8_t dst, uint8_t src, unsigned off)
{
	emit(as, BPF_LDX | BPF_MEM | size, dst, src, (int16_t)off, 0);
}

static void jump(struct assembler *as, uint8_t op, uint8_t dst, int32_t imm, enum label to)
{
	as->target[as->program->len] = (uint8_t)(to + 1);
	/* In 32 bits: a constant with its highest bit set would be stretched to 64. */
	emit(as, (uint8_t)((op == BPF_JA ? BPF_JMP : BPF_JMP32) | op | BPF_K), dst, 0, 0, imm);
}

static void jump_if_above(struct assembler *as, uint8_t dst, uint8_t src, enum label to)
{
	as->target[as->program->len] = (uint8_t)(to + 1);
	emit(as, BPF_JMP | BPF_JGT | BPF_X, dst, src, 0, 0);
}

static void put(struct assembler *as, enum label label)
{
	as->place[label] = as->program->len;
}

/* A map, or the address of its value, as a constant of two instructions. */
static void load_map(struct assembler *as, uint8_t dst, uint8_t pseudo, int fd)
{
	/* BPF_IMM, the mode, is 0. */
	emit(as, BPF_LD | BPF_DW, dst, pseudo, 0, fd);
	emit(as, 0, 0, 0, 0, 0);
}

/* Passes frames on that don't reach `bytes` past a pointer. */
static void require(struct assembler *as, uint8_t pointer, int32_t bytes)
{
	move(as, BPF_REG_2, pointer);
	alu_imm(as, BPF_ADD, BPF_REG_2, bytes);
	jump_if_above(as, BPF_REG_2, BPF_REG_8, PASS);
}

/* ---- both programs ---- */

static void begin(struct assembler *as, struct xdp_program *program)
{
	memset(as, 0, sizeof(*as));
	memset(program, 0, sizeof(*program));
	as->program = program;
	move(as, BPF_REG_6, BPF_REG_1);
	load(as, BPF_W, BPF_REG_7, BPF_REG_6, offsetof(struct xdp_md, data));
	load(as, BPF_W, BPF_REG_8, BPF_REG_6, offsetof(struct xdp_md, data_end));
	require(as, BPF_REG_7, ETHERNET_HEADER_LEN);
}

static void end(struct assembler *as, const struct xdp_program_maps *maps)
{
	struct xdp_program *program = as->program;

	put(as, REDIRECT);
	load(as, BPF_W, BPF_REG_2, BPF_REG_6, offsetof(struct xdp_md, rx_queue_index));
	load_map(as, BPF_REG_1, BPF_PSEUDO_MAP_FD, maps->sockets);
	/* What becomes of frames of a queue that has no socket. */
	move_imm(as, BPF_REG_3, XDP_PASS);
	emit(as, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
	emit(as, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	put(as, PASS);
	move_imm(as, BPF_REG_0, XDP_PASS);
	emit(as, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (unsigned i = 0; i < program->len; i++)
		if (as->target[i])
			program->code[i].off = (int16_t)(as->place[as->target[i] - 1] - i - 1);
}

void xdp_program_by_mac(struct xdp_program *program, const struct tee_mac *mac,
			const struct xdp_program_maps *maps)
{
	struct assembler as;
	uint32_t first;
	uint16_t last;

	memcpy(&first, mac->byte, sizeof(first));
	memcpy(&last, mac->byte + sizeof(first), sizeof(last));
	begin(&as, program);
	load(&as, BPF_W, BPF_REG_2, BPF_REG_7, 0);
	jump(&as, BPF_JNE, BPF_REG_2, (int32_t)first, PASS);
	load(&as, BPF_H, BPF_REG_2, BPF_REG_7, sizeof(first));
	jump(&as, BPF_JNE, BPF_REG_2, last, PASS);
	load(&as, BPF_H, BPF_REG_2, BPF_REG_7, OFF_TYPE);
	jump(&as, BPF_JEQ, BPF_REG_2, htons(ETHERTYPE_IP4), REDIRECT);
	jump(&as, BPF_JEQ, BPF_REG_2, htons(ETHERTYPE_IP6), REDIRECT);
	jump(&as, BPF_JNE, BPF_REG_2, htons(ETHERTYPE_ARP), PASS);
	end(&as, maps);
}

/* ---- by port ---- */

/* R9 += the length of the IPv4 header at R9 + `off`. */
static void skip_ip4_header(struct assembler *as, unsigned off)
{
	load(as, BPF_B, BPF_REG_3, BPF_REG_9, off);
	alu_imm(as, BPF_AND, BPF_REG_3, 15);
	alu_imm(as, BPF_LSH, BPF_REG_3, 2);
	jump(as, BPF_JLT, BPF_REG_3, IP4_HEADER_LEN, PASS);
	alu(as, BPF_ADD, BPF_REG_9, BPF_REG_3);
}

/* A port, or what counts as one, from the transport header into R4, in the machine's order. */
static void load_port(struct assembler *as, unsigned off)
{
	load(as, BPF_H, BPF_REG_4, BPF_REG_9, off);
	emit(as, BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_4, 0, 0, 16);
	/* Changes nothing, but older verifiers take a swapped value for a boundless one. */
	alu_imm(as, BPF_AND, BPF_REG_4, 0xffff);
}

/* Writes the destination as a struct tee_ip to the stack, finds header and protocol. */
static void ip4(struct assembler *as)
{
	put(as, IP4);
	require(as, BPF_REG_7, OFF_IP + IP4_HEADER_LEN);
	/* More fragments, or an offset: RFC 791. */
	load(as, BPF_H, BPF_REG_2, BPF_REG_7, OFF_IP + 6);
	jump(as, BPF_JSET, BPF_REG_2, htons(0x3fff), PASS);
	emit(as, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, KEY_AT, 0);
	emit(as, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, KEY_AT + 8, (int32_t)htonl(0xffff));
	load(as, BPF_W, BPF_REG_2, BPF_REG_7, OFF_IP + 16);
	emit(as, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_2, KEY_AT + 12, 0);
	move(as, BPF_REG_9, BPF_REG_7);
	alu_imm(as, BPF_ADD, BPF_REG_9, OFF_IP);
	skip_ip4_header(as, 0);
	load(as, BPF_B, BPF_REG_7, BPF_REG_7, OFF_IP + 9);
	jump(as, BPF_JA, 0, 0, PROTOCOL);
}

static void ip6(struct assembler *as)
{
	put(as, IP6);
	require(as, BPF_REG_7, OFF_IP + IP6_HEADER_LEN);
	for (unsigned word = 0; word < 4; word++) {
		load(as, BPF_W, BPF_REG_2, BPF_REG_7, OFF_IP + 24 + 4 * word);
		emit(as, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_2,
		     (int16_t)(KEY_AT + 4 * (int)word), 0);
	}
	move(as, BPF_REG_9, BPF_REG_7);
	alu_imm(as, BPF_ADD, BPF_REG_9, OFF_IP + IP6_HEADER_LEN);
	load(as, BPF_B, BPF_REG_7, BPF_REG_7, OFF_IP + 6);
}

/* Is the destination ours, and which protocol is it? Leaves the set's offset in R5. */
static void protocol(struct assembler *as, const struct xdp_program_maps *maps)
{
	put(as, PROTOCOL);
	move(as, BPF_REG_2, BPF_REG_10);
	alu_imm(as, BPF_ADD, BPF_REG_2, KEY_AT);
	load_map(as, BPF_REG_1, BPF_PSEUDO_MAP_FD, maps->addresses);
	emit(as, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	as->target[as->program->len] = PASS + 1;
	emit(as, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	require(as, BPF_REG_9, 8);
	/* Destination ports stand at 2 in TCP and UDP. */
	load_port(as, 2);
	move_imm(as, BPF_REG_5, XDP_PORTS_TCP * XDP_PORT_SET_BYTES);
	jump(as, BPF_JEQ, BPF_REG_7, IP_PROTO_TCP, PORTS);
	move_imm(as, BPF_REG_5, XDP_PORTS_UDP * XDP_PORT_SET_BYTES);
	jump(as, BPF_JEQ, BPF_REG_7, IP_PROTO_UDP, PORTS);
	/* An echo id stands at 4. */
	move_imm(as, BPF_REG_5, XDP_PORTS_ICMP * XDP_PORT_SET_BYTES);
	load_port(as, 4);
	load(as, BPF_B, BPF_REG_3, BPF_REG_9, 0);
	jump(as, BPF_JEQ, BPF_REG_7, IP_PROTO_ICMP, ICMP4);
	jump(as, BPF_JEQ, BPF_REG_7, IP_PROTO_ICMP6, ICMP6);
	jump(as, BPF_JA, 0, 0, PASS);
}

/* The type is in R3. Of an error: R9 to the quoted transport header, R7 the quoted protocol. */
static void icmp4(struct assembler *as)
{
	static const uint8_t errors[] = {ICMP4_UNREACHABLE, ICMP4_TIME_EXCEEDED,
					 ICMP4_PARAMETER_PROBLEM};

	put(as, ICMP4);
	jump(as, BPF_JEQ, BPF_REG_3, ICMP4_ECHO_REPLY, PORTS);
	for (unsigned i = 0; i + 1 < ARRAY_LEN(errors); i++) {
		/* Over what is left of the list. */
		unsigned left = (unsigned)ARRAY_LEN(errors) - 1 - i;

		emit(as, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_3, 0, (int16_t)left, errors[i]);
	}
	jump(as, BPF_JNE, BPF_REG_3, errors[ARRAY_LEN(errors) - 1], PASS);
	require(as, BPF_REG_9, QUOTE + IP4_HEADER_LEN);
	load(as, BPF_H, BPF_REG_2, BPF_REG_9, QUOTE + 6);
	jump(as, BPF_JSET, BPF_REG_2, htons(0x1fff), PASS);
	load(as, BPF_B, BPF_REG_7, BPF_REG_9, QUOTE + 9);
	skip_ip4_header(as, QUOTE);
	alu_imm(as, BPF_ADD, BPF_REG_9, QUOTE);
	jump(as, BPF_JA, 0, 0, QUOTED);
}

static void icmp6(struct assembler *as)
{
	put(as, ICMP6);
	jump(as, BPF_JEQ, BPF_REG_3, ICMP6_ECHO_REPLY, PORTS);
	jump(as, BPF_JEQ, BPF_REG_3, 0, PASS);
	jump(as, BPF_JGT, BPF_REG_3, ICMP6_PARAMETER_PROBLEM, PASS);
	require(as, BPF_REG_9, QUOTE + IP6_HEADER_LEN);
	load(as, BPF_B, BPF_REG_7, BPF_REG_9, QUOTE + 6);
	alu_imm(as, BPF_ADD, BPF_REG_9, QUOTE + IP6_HEADER_LEN);
}

/* What an ICMP error quotes is a packet that was sent: its source port is the one to look for. */
static void quoted(struct assembler *as)
{
	put(as, QUOTED);
	require(as, BPF_REG_9, 4);
	load_port(as, 0);
	move_imm(as, BPF_REG_5, XDP_PORTS_TCP * XDP_PORT_SET_BYTES);
	jump(as, BPF_JEQ, BPF_REG_7, IP_PROTO_TCP, PORTS);
	move_imm(as, BPF_REG_5, XDP_PORTS_UDP * XDP_PORT_SET_BYTES);
	jump(as, BPF_JNE, BPF_REG_7, IP_PROTO_UDP, PASS);
}

/* Is the bit of port R4 set in the set at R5? */
static void ports(struct assembler *as, const struct xdp_program_maps *maps)
{
	put(as, PORTS);
	load_map(as, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, maps->ports);
	move(as, BPF_REG_2, BPF_REG_4);
	alu_imm(as, BPF_RSH, BPF_REG_2, 3);
	alu(as, BPF_ADD, BPF_REG_1, BPF_REG_5);
	alu(as, BPF_ADD, BPF_REG_1, BPF_REG_2);
	load(as, BPF_B, BPF_REG_2, BPF_REG_1, 0);
	alu_imm(as, BPF_AND, BPF_REG_4, 7);
	alu(as, BPF_RSH, BPF_REG_2, BPF_REG_4);
	alu_imm(as, BPF_AND, BPF_REG_2, 1);
	jump(as, BPF_JEQ, BPF_REG_2, 0, PASS);
}

void xdp_program_by_port(struct xdp_program *program, const struct xdp_program_maps *maps)
{
	struct assembler as;

	begin(&as, program);
	load(&as, BPF_H, BPF_REG_2, BPF_REG_7, OFF_TYPE);
	jump(&as, BPF_JEQ, BPF_REG_2, htons(ETHERTYPE_IP4), IP4);
	jump(&as, BPF_JEQ, BPF_REG_2, htons(ETHERTYPE_IP6), IP6);
	jump(&as, BPF_JA, 0, 0, PASS);
	ip4(&as);
	ip6(&as);
	protocol(&as, maps);
	icmp4(&as);
	icmp6(&as);
	quoted(&as);
	ports(&as, maps);
	end(&as, maps);
}
