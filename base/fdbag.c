/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fdbag.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/unixsock.h"

#define VERSION 1u
#define NR_MAX	65536u /* more than a process may have open */

struct item {
	char name[FDBAG_NAME_MAX];
	int fd;
};

struct fdbag {
	struct item *items;
	unsigned int nr, room;
};

struct message {
	uint32_t version, nr, is_last;
	char names[UNIXSOCK_MAX_FDS][FDBAG_NAME_MAX];
};

struct fdbag *fdbag_create(void)
{
	return calloc(1, sizeof(struct fdbag));
}

void fdbag_empty(struct fdbag *bag)
{
	while (bag->nr)
		close(bag->items[--bag->nr].fd);
}

void fdbag_destroy(struct fdbag *bag)
{
	if (!bag)
		return;
	fdbag_empty(bag);
	free(bag->items);
	free(bag);
}

static bool make_name(char *full, const char *kind, const char *name)
{
	return snprintf(full, FDBAG_NAME_MAX, "%s %s", kind, name) < FDBAG_NAME_MAX;
}

static struct item *find(const struct fdbag *bag, const char *full)
{
	for (unsigned int i = 0; i < bag->nr; i++)
		if (!strcmp(bag->items[i].name, full))
			return &bag->items[i];
	return NULL;
}

static int put(struct fdbag *bag, const char *full, int fd)
{
	int rc = find(bag, full) ? -EEXIST : bag->nr == NR_MAX ? -ENOSPC : 0;

	if (!rc && bag->nr == bag->room) {
		unsigned int room = bag->room * 2 + UNIXSOCK_MAX_FDS;
		struct item *items = realloc(bag->items, room * sizeof(items[0]));

		rc = items ? 0 : -ENOMEM;
		if (items) {
			bag->items = items;
			bag->room = room;
		}
	}
	if (rc) {
		close(fd);
		return rc;
	}
	snprintf(bag->items[bag->nr].name, FDBAG_NAME_MAX, "%s", full);
	bag->items[bag->nr++].fd = fd;
	return 0;
}

int fdbag_put(struct fdbag *bag, const char *kind, const char *name, int fd)
{
	char full[FDBAG_NAME_MAX];

	if (fd < 0)
		return -EBADF;
	if (make_name(full, kind, name))
		return put(bag, full, fd);
	close(fd);
	return -ENAMETOOLONG;
}

int fdbag_take(struct fdbag *bag, const char *kind, const char *name)
{
	char full[FDBAG_NAME_MAX];
	struct item *item;
	int fd;

	item = bag && make_name(full, kind, name) ? find(bag, full) : NULL;
	if (!item)
		return -1;
	fd = item->fd;
	*item = bag->items[--bag->nr];
	return fd;
}

unsigned int fdbag_size(const struct fdbag *bag)
{
	return bag->nr;
}

int fdbag_send(const struct fdbag *bag, int sock)
{
	unsigned int at = 0;

	do {
		struct message m = { .version = VERSION };
		int fds[UNIXSOCK_MAX_FDS];
		ssize_t n;

		for (; at < bag->nr && m.nr < UNIXSOCK_MAX_FDS; at++) {
			memcpy(m.names[m.nr], bag->items[at].name, FDBAG_NAME_MAX);
			fds[m.nr++] = bag->items[at].fd;
		}
		m.is_last = at == bag->nr;
		n = unixsock_send(sock, &m, sizeof(m), fds, m.nr);
		if (n < 0)
			return (int)n;
	} while (at < bag->nr);
	return 0;
}

static int take_message(struct fdbag *bag, const struct message *m, const int *fds, size_t nr_fds)
{
	int rc = m->version == VERSION && m->nr == nr_fds ? 0 : -EPROTO;

	for (size_t i = 0; i < nr_fds; i++) {
		if (!rc && !memchr(m->names[i], '\0', FDBAG_NAME_MAX))
			rc = -EPROTO;
		if (rc)
			close(fds[i]);
		else
			rc = put(bag, m->names[i], fds[i]);
	}
	return rc;
}

int fdbag_recv(struct fdbag *bag, int sock)
{
	struct message m;
	int rc;

	do {
		int fds[UNIXSOCK_MAX_FDS];
		size_t nr_fds = UNIXSOCK_MAX_FDS;
		ssize_t n = unixsock_recv(sock, &m, sizeof(m), fds, &nr_fds);

		if (n < 0)
			return (int)n;
		if (n != (ssize_t)sizeof(m)) {
			while (nr_fds)
				close(fds[--nr_fds]);
			return n ? -EPROTO : -ECONNRESET;
		}
		rc = take_message(bag, &m, fds, nr_fds);
	} while (!rc && !m.is_last);
	return rc;
}
