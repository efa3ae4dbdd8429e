/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a domain's ring outlives the server, in the mapped file DIR/xenstored/ring.<domid>: requests that were
 * taken off the ring and are not answered yet, and the rest of a message that is half on it. So a
 * server that was killed goes on in the middle of the stream, and a domain notices a pause; Linux does
 * not know of servers that want to reconnect.
 *
 * A killed process leaves its last store to memory, never a later one without an earlier: so each
 * step writes beside what counts, then one word that makes it count. Requests whose effects were
 * recorded and whose replies were not begun are carried out again: no request but the end of a transaction is any different
 * the second time, and that is answered EAGAIN.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/xenstore/xs_priv.h"

#define CARRY_MAGIC   0x31435856u
#define CARRY_MESSAGE (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

/* All indices are the ring's: they count bytes and wrap. */
struct carry_state {
	uint32_t magic;
	uint32_t taken; /* requests' bytes off the ring; in[] has those up to here */
	uint64_t
		put; /* requests answered so far in the upper half, bytes on the ring in the lower */
	struct {
		uint32_t at, size; /* counts while the ring is at @at */
		char data[CARRY_MESSAGE];
	} rest[2];
	char in[XS_CARRY_SIZE];
};

struct xs_carry {
	struct carry_state *state;
	int current; /* of rest[] */
};

static void carry_path(const struct xs_server *server, uint16_t domid, char path[XS_DIR_MAX + 16])
{
	snprintf(path, XS_DIR_MAX + 16, "%s/ring.%u", server->dir, domid);
}

int xs_carry_open(struct xs_server *server, uint16_t domid, struct xs_carry **carry_out)
{
	struct xs_carry *carry;
	char path[XS_DIR_MAX + 16];
	int fd, rc = 0;

	*carry_out = NULL;
	if (!server->dir[0])
		return 0;
	carry = calloc(1, sizeof(*carry));
	if (!carry)
		return -ENOMEM;
	carry_path(server, domid, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	/* Its blocks now: a full disk must not be met by a store to memory. */
	rc = -posix_fallocate(fd, 0, sizeof(*carry->state));
	if (rc < 0) {
		unlink(path);
		goto out;
	}
	carry->state = mmap(NULL, sizeof(*carry->state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (carry->state == MAP_FAILED) {
		rc = -errno;
		goto out;
	}
	*carry_out = carry;
	carry = NULL;
out:
	if (fd >= 0)
		close(fd);
	free(carry);
	return rc;
}

void xs_carry_close(struct xs_carry *carry)
{
	if (!carry)
		return;
	munmap(carry->state, sizeof(*carry->state));
	free(carry);
}

void xs_carry_drop(struct xs_server *server, uint16_t domid)
{
	char path[XS_DIR_MAX + 16];

	if (!server->dir[0])
		return;
	carry_path(server, domid, path);
	unlink(path);
}

static void commit(struct carry_state *s, uint32_t answered, uint32_t rsp_prod)
{
	__atomic_store_n(&s->put, (uint64_t)answered << 32 | rsp_prod, __ATOMIC_RELEASE);
}

void xs_carry_reset(struct xs_carry *carry, uint32_t req_cons, uint32_t rsp_prod)
{
	struct carry_state *s;

	if (!carry)
		return;
	s = carry->state;
	__atomic_store_n(&s->magic, 0, __ATOMIC_RELEASE);
	s->taken = req_cons;
	carry->current = 0;
	s->rest[0].at = rsp_prod;
	s->rest[1].at = ~rsp_prod;
	s->rest[0].size = s->rest[1].size = 0;
	commit(s, req_cons, rsp_prod);
	__atomic_store_n(&s->magic, CARRY_MAGIC, __ATOMIC_RELEASE);
}

void xs_carry_break(struct xs_carry *carry)
{
	if (carry)
		__atomic_store_n(&carry->state->magic, 0, __ATOMIC_RELEASE);
}

uint32_t xs_carry_room(const struct xs_carry *carry)
{
	const struct carry_state *s;

	if (!carry)
		return UINT32_MAX;
	s = carry->state;
	return XS_CARRY_SIZE - (s->taken - (uint32_t)(s->put >> 32));
}

void xs_carry_input(struct xs_carry *carry, const char *data, uint32_t size)
{
	struct carry_state *s;
	uint32_t at, first;

	if (!carry)
		return;
	s = carry->state;
	at = s->taken % XS_CARRY_SIZE;
	first = size < XS_CARRY_SIZE - at ? size : XS_CARRY_SIZE - at;
	memcpy(s->in + at, data, first);
	memcpy(s->in, data + first, size - first);
	__atomic_store_n(&s->taken, s->taken + size, __ATOMIC_RELEASE);
}

void xs_carry_output(struct xs_carry *carry, uint32_t answered, uint32_t rsp_prod, const char *rest,
		     uint32_t size)
{
	struct carry_state *s;
	int next;

	if (!carry)
		return;
	s = carry->state;
	next = !carry->current;
	s->rest[next].at = rsp_prod;
	s->rest[next].size = size;
	if (size)
		memcpy(s->rest[next].data, rest, size);
	commit(s, answered, rsp_prod);
	carry->current = next;
}

bool xs_carry_resume(struct xs_carry *carry, struct xs_carried *out)
{
	const struct carry_state *s;

	if (!carry || carry->state->magic != CARRY_MAGIC)
		return false;
	s = carry->state;
	*out = (struct xs_carried){ .taken = s->taken,
				    .answered = (uint32_t)(s->put >> 32),
				    .rsp_prod = (uint32_t)s->put };
	if (s->taken - out->answered > XS_CARRY_SIZE)
		return false;
	for (int i = 0; i < 2; i++) {
		if (s->rest[i].at != out->rsp_prod)
			continue;
		if (s->rest[i].size > CARRY_MESSAGE)
			return false;
		carry->current = i;
		out->rest = s->rest[i].data;
		out->rest_size = s->rest[i].size;
		return true;
	}
	return false;
}

uint32_t xs_carry_reread(const struct xs_carry *carry, uint32_t at, char *data, uint32_t size)
{
	const struct carry_state *s = carry->state;
	uint32_t left = s->taken - at, n = left < size ? left : size;

	for (uint32_t i = 0; i < n; i++)
		data[i] = s->in[(at + i) % XS_CARRY_SIZE];
	return n;
}
