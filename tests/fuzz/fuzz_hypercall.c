/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any packets from a guest and from a backend: the core answers or hangs up, hands out descriptors with
 * good answers only, and no packet of one guest touches another's channels.
 *
 * Input: packets, each a byte (bit 0: from the backend, bit 1: with a good magic, bits 2-7: size) and
 * its bytes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/core.h"
#include "hv/hypercall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void one_packet(struct hypercall_peer *peer, const uint8_t *bytes, size_t size,
		       int good_magic)
{
	struct hypercall_answer answer;
	uint8_t packet[64];
	uint32_t magic = HYPERCALL_MAGIC;

	memcpy(packet, bytes, size);
	if (good_magic && size >= sizeof(magic))
		memcpy(packet, &magic, sizeof(magic));
	if (hypercall_serve(peer, packet, size, &answer) < 0)
		return;
	check(size == sizeof(struct hypercall_request));
	check(answer.nr_fds <= HYPERCALL_MAX_FDS);
	check(answer.reply.status <= 0);
	check(!answer.nr_fds || !answer.reply.status);
	for (size_t i = 0; i < answer.nr_fds; i++)
		check(fcntl(answer.fds[i], F_GETFD) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hypercall_peer guest, backend;
	struct core_evtchn_status status;
	struct core *core;
	uint16_t attacker, other;
	uint32_t port;

	check(!core_create(NULL, &core));
	check(!core_domain_create(core, 1, &attacker));
	check(!core_domain_create(core, 1, &other));
	/* For domain 7 only: neither the guest nor the backend may have it. */
	check(!core_evtchn_alloc(core, other, 7, &port));
	hypercall_peer_init(&guest, core, false, attacker);
	hypercall_peer_init(&backend, core, true, 0);
	while (size) {
		size_t n = data[0] >> 2;
		uint8_t kind = data[0];

		data++;
		size--;
		if (n > size)
			n = size;
		one_packet(kind & 1 ? &backend : &guest, data, n, kind & 2);
		data += n;
		size -= n;
	}
	check(!core_evtchn_status(core, other, port, &status) && status.status == 1 &&
	      status.remote_domid == 7);
	hypercall_peer_fini(&backend);
	/* All that the backend had bound can be bound again. */
	check(!core_evtchn_status(core, other, CORE_PORT_STORE, &status) && status.status == 1);
	hypercall_peer_fini(&guest);
	core_destroy(core);
	return 0;
}
