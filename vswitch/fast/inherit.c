/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/inherit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "vswitch/fast/fast_priv.h"
#include "vswitch/fast/nat_priv.h"
#include "vswitch/fast/rules_priv.h"

#define MAGIC	     "vifrost switch 1"
#define SECTIONS_MAX 16384u
#define RECORD_MAX   64u
#define BATCH	     1024u

/* Never used again for another layout. */
enum kind { PORTS = 1, MACS = 2, CONNECTIONS = 3, GRACE = 4, ROUTED = 5, FLOWS = 6, NR_KINDS };

struct section {
	char net[IFNAMSIZ];
	uint32_t kind, size, nr, zero;
};

struct port_record {
	char name[IFNAMSIZ];
	uint16_t id, zero;
};

struct mac_record {
	uint64_t key;
	uint32_t seen_s;
	uint16_t port, zero;
};

struct grace_record {
	uint64_t until_ns;
	uint32_t mark, zero;
};

_Static_assert(sizeof(struct section) == 32 && sizeof(struct port_record) == 20 &&
		       sizeof(struct mac_record) == 16 && sizeof(struct grace_record) == 16,
	       "as files have them");

struct fast_legacy {
	int fd;
	unsigned int nr;
	struct place {
		struct section s;
		off_t at; /* of its records */
	} places[];
};

/* ---- Writing ---- */

struct writer {
	FILE *file;
	uint32_t size, nr;
};

static void put(struct writer *w, const void *record)
{
	w->nr += fwrite(record, w->size, 1, w->file);
}

static void save_ports(const struct fast_net *net, struct writer *w)
{
	for (unsigned int id = 1; id < FAST_PORTS_MAX; id++) {
		struct port_record r = { .id = (uint16_t)id };

		if (!net->by_id[id])
			continue;
		memcpy(r.name, net->by_id[id]->name, sizeof(r.name));
		put(w, &r);
	}
}

static void save_macs(const struct fast_net *net, struct writer *w)
{
	for (size_t b = 0; b <= net->fdb.mask; b++) {
		for (unsigned int i = 0; i < FAST_FDB_WAYS; i++) {
			const struct fast_fdb_entry *e = &net->fdb.buckets[b].ways[i];
			struct mac_record r = { e->key, e->seen_s, e->port, 0 };

			if (e->key && !(e->flags & FAST_FDB_FIXED))
				put(w, &r);
		}
	}
}

static void save_ct(const struct fast_ct *ct, struct writer *w)
{
	for (size_t i = 0; ct && i <= ct->mask; i++)
		if (ct->flows[i].hash)
			put(w, &ct->flows[i]);
}

static void save_connections(const struct fast_net *net, struct writer *w)
{
	save_ct(net->ct, w);
}

static void save_grace(const struct fast_net *net, struct writer *w)
{
	struct grace_record r = { 0 };

	if (!net->ct)
		return;
	r.until_ns = net->ct->grace_until_ns;
	r.mark = net->ct->grace_mark;
	put(w, &r);
}

static void save_routed(const struct fast_net *net, struct writer *w)
{
	save_ct(net->gateway ? net->gateway->ct : NULL, w);
}

static void save_flows(const struct fast_net *net, struct writer *w)
{
	const struct fast_nat *n = net->gateway ? net->gateway->nat : NULL;

	for (uint32_t i = 0; n && i < n->stats.nr_max; i++)
		if (n->flows[i].is_used)
			put(w, &n->flows[i]);
}

/* ---- Reading ---- */

struct reader {
	struct fast_net *net;
	uint64_t now_ns;
	const bool *is_guest; /* numbers that translation knows guests by */
};

/* Who had that number has it again. */
static bool is_back(const struct fast_net *net, unsigned int id)
{
	return net->names && id < FAST_PORTS_MAX && net->by_id[id] &&
	       !strncmp(net->names[id], net->by_id[id]->name, IFNAMSIZ);
}

static bool load_mac(const struct reader *r, const void *record)
{
	const struct mac_record *m = record;
	struct fast_fdb *t = &r->net->fdb;
	struct fast_fdb_entry *e;
	uint32_t max;

	if (!is_back(r->net, m->port) || !m->key || t->now_s - m->seen_s >= t->ageing_s)
		return false;
	max = r->net->by_id[m->port]->kind == FAST_GUEST ? FAST_FDB_PORT_MAX : FAST_FDB_UPLINK_MAX;
	if (!fast_fdb_learn(t, m->key, m->port, max))
		return false;
	e = fast_fdb_bucket(t, m->key)->ways;
	for (unsigned int i = 0; i < FAST_FDB_WAYS; i++)
		if (e[i].key == m->key && !(e[i].flags & FAST_FDB_FIXED))
			e[i].seen_s = m->seen_s;
	return true;
}

static bool load_ct(const struct reader *r, struct fast_ct *ct, const struct ct_flow *f)
{
	/* Who comes after a guest that has gone does not go on with its connections. */
	if (!ct || (f->guest && !is_back(r->net, f->guest)) ||
	    f->flags >> CT_WAY_SHIFT > RULES_FREE)
		return false;
	return ct_take_over(ct, f, r->now_ns);
}

static bool load_connection(const struct reader *r, const void *record)
{
	return load_ct(r, r->net->ct, record);
}

static bool load_grace(const struct reader *r, const void *record)
{
	const struct grace_record *g = record;
	struct fast_ct *ct = r->net->ct;

	if (!ct || g->until_ns > ct->grace_until_ns)
		return false;
	ct->grace_until_ns = g->until_ns;
	ct->grace_mark = g->mark;
	return true;
}

static bool load_routed(const struct reader *r, const void *record)
{
	return load_ct(r, r->net->gateway ? r->net->gateway->ct : NULL, record);
}

static bool load_flow(const struct reader *r, const void *record)
{
	struct fast_nat *n = r->net->gateway ? r->net->gateway->nat : NULL;
	const struct nat_flow *old = record;
	uint32_t left = old->until - (uint32_t)(r->now_ns >> CT_TICK_SHIFT);
	struct nat_flow *f;
	unsigned int way;

	if (!n || old->guest >= FAST_CT_GUESTS || old->state >= CT_TCP_STATES ||
	    (old->guest < FAST_NAT_GUESTS && !r->is_guest[old->guest]) ||
	    left > ct_tcp_timeout(CT_TCP_ESTABLISHED) ||
	    nat_find(n, &old->way[0], r->now_ns, &way) ||
	    nat_find(n, &old->way[1], r->now_ns, &way))
		return false;
	f = nat_begin(n, old->way, old->guest);
	if (!f)
		return false;
	n->stats.begun--;
	f->until = old->until;
	memcpy(f->waits, old->waits, sizeof(f->waits));
	f->flags = old->flags;
	f->state = old->state;
	/* Its next packet asks the document. */
	f->config = n->config_number - 1;
	return true;
}

/* ---- All of them ---- */

static const struct table {
	enum kind kind;
	const char *name;
	uint32_t size;
	void (*save)(const struct fast_net *net, struct writer *w);
	bool (*load)(const struct reader *r, const void *record); /* NULL: read elsewhere */
} tables[] = {
	{ PORTS, "ports", sizeof(struct port_record), save_ports, NULL },
	{ MACS, "MACs", sizeof(struct mac_record), save_macs, load_mac },
	{ CONNECTIONS, "connections", sizeof(struct ct_flow), save_connections, load_connection },
	{ GRACE, "time of grace", sizeof(struct grace_record), save_grace, load_grace },
	{ ROUTED, "routed connections", sizeof(struct ct_flow), save_routed, load_routed },
	{ FLOWS, "translations", sizeof(struct nat_flow), save_flows, load_flow },
};

#define NR_TABLES (sizeof(tables) / sizeof(tables[0]))

static void save_section(const struct fast_net *net, const struct table *t, FILE *file)
{
	struct section s = { .kind = t->kind, .size = t->size };
	struct writer w = { .file = file, .size = t->size };
	off_t at = ftello(file), end;

	memcpy(s.net, net->name, sizeof(s.net));
	fwrite(&s, sizeof(s), 1, file);
	t->save(net, &w);
	end = ftello(file);
	s.nr = w.nr;
	fseeko(file, at, SEEK_SET);
	fwrite(&s, sizeof(s), 1, file);
	fseeko(file, end, SEEK_SET);
}

struct saving {
	const struct fast_net *net;
	FILE *file;
};

/* By the network's thread, whose tables they are. */
static void save_net(void *arg)
{
	const struct saving *s = arg;

	for (size_t i = 0; i < NR_TABLES; i++)
		save_section(s->net, &tables[i], s->file);
}

int fast_bequeath(struct fast *f)
{
	int fd = memfd_create("vifrost-switch", MFD_CLOEXEC), copy = fd < 0 ? -1 : dup(fd), rc = 0;
	FILE *file = copy < 0 ? NULL : fdopen(copy, "w");
	struct list *l;

	if (!file) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		goto out;
	}
	fwrite(MAGIC, sizeof(MAGIC) - 1, 1, file);
	list_for_each (&f->nets, l) {
		struct saving s = { .net = list_entry(l, struct fast_net, all), .file = file };

		fast_thread_call(s.net->thread, save_net, &s);
	}
	if (ferror(file))
		rc = -ENOSPC;
	if (fclose(file) && !rc)
		rc = -errno;
out:
	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

static const struct table *table_of(const struct section *s)
{
	for (size_t i = 0; i < NR_TABLES; i++)
		if (tables[i].kind == s->kind)
			return &tables[i];
	return NULL;
}

/* Where sections are. Return: how many; -EPROTO: it is no whole file of ours. */
static int find_places(int fd, off_t size, struct place *places)
{
	off_t at = (off_t)sizeof(MAGIC) - 1;
	char magic[sizeof(MAGIC) - 1];
	struct section s;
	int nr = 0;

	if (pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
	    memcmp(magic, MAGIC, sizeof(magic)) != 0)
		return -EPROTO;
	for (; at < size; at += (off_t)s.size * s.nr) {
		if (nr == (int)SECTIONS_MAX || pread(fd, &s, sizeof(s), at) != (ssize_t)sizeof(s))
			return -EPROTO;
		at += (off_t)sizeof(s);
		if (!memchr(s.net, '\0', sizeof(s.net)) ||
		    (uint64_t)s.size * s.nr > (uint64_t)(size - at))
			return -EPROTO;
		if (!table_of(&s) || table_of(&s)->size != s.size) {
			log_notice("network %s: the predecessor's %s are of another version: "
				   "not taken over",
				   s.net, table_of(&s) ? table_of(&s)->name : "other tables");
			continue;
		}
		places[nr++] = (struct place){ s, at };
	}
	return nr;
}

struct fast_legacy *fast_legacy_open(int fd)
{
	struct fast_legacy *legacy = malloc(sizeof(*legacy) +
					    SECTIONS_MAX * sizeof(legacy->places[0]));
	struct stat st;
	int rc = !legacy ? -ENOMEM : fstat(fd, &st) ? -errno : 0;

	if (!rc)
		rc = find_places(fd, st.st_size, legacy->places);
	if (rc < 0) {
		log_warning("what the predecessor's switch knew cannot be read: %s: it learns anew",
			    strerror(-rc));
		close(fd);
		free(legacy);
		return NULL;
	}
	legacy->fd = fd;
	legacy->nr = (unsigned int)rc;
	return legacy;
}

void fast_legacy_close(struct fast_legacy *legacy)
{
	if (!legacy)
		return;
	close(legacy->fd);
	free(legacy);
}

/* Return: how many @fn has taken. */
static uint32_t for_records(const struct fast_legacy *legacy, const struct place *p,
			    bool (*fn)(const struct reader *r, const void *record),
			    const struct reader *r)
{
	/* As records want to lie, of which the widest are cache lines. */
	static uint8_t records[BATCH * RECORD_MAX] __attribute__((aligned(RECORD_MAX)));
	uint32_t done = 0, taken = 0;

	while (done < p->s.nr) {
		uint32_t nr = p->s.nr - done < BATCH ? p->s.nr - done : BATCH;
		ssize_t size = (ssize_t)nr * p->s.size;

		if (pread(legacy->fd, records, (size_t)size, p->at + (off_t)done * p->s.size) !=
		    size)
			break;
		for (uint32_t i = 0; i < nr; i++)
			taken += fn(r, records + (size_t)i * p->s.size);
		done += nr;
	}
	return taken;
}

static bool note_port(const struct reader *r, const void *record)
{
	const struct port_record *p = record;

	if (p->id >= FAST_PORTS_MAX || !memchr(p->name, '\0', sizeof(p->name)))
		return false;
	memcpy(r->net->names[p->id], p->name, sizeof(p->name));
	return true;
}

void fast_legacy_ports(const struct fast_legacy *legacy, struct fast_net *net)
{
	const struct reader r = { .net = net };

	for (unsigned int i = 0; i < legacy->nr; i++) {
		const struct place *p = &legacy->places[i];

		if (p->s.kind != PORTS || strcmp(p->s.net, net->name) != 0)
			continue;
		if (!net->names)
			net->names = calloc(FAST_PORTS_MAX, sizeof(net->names[0]));
		if (net->names)
			for_records(legacy, p, note_port, &r);
	}
}

struct loading {
	const struct fast_legacy *legacy;
	struct reader reader;
	uint32_t taken[NR_KINDS];
};

static void load_net(void *arg)
{
	struct loading *l = arg;
	struct fast_net *net = l->reader.net;

	for (unsigned int i = 0; i < l->legacy->nr; i++) {
		const struct place *p = &l->legacy->places[i];
		const struct table *t = table_of(&p->s);

		if (t->load && !strcmp(p->s.net, net->name))
			l->taken[t->kind] += for_records(l->legacy, p, t->load, &l->reader);
	}
	free(net->names);
	net->names = NULL;
}

static bool *guests_of(const struct fast *f)
{
	bool *is_guest = calloc(FAST_CT_GUESTS, sizeof(is_guest[0]));
	struct list *l;

	list_for_each (&f->nets, l) {
		const struct fast_net *net = list_entry(l, struct fast_net, all);

		for (unsigned int id = 1; is_guest && id < FAST_PORTS_MAX; id++)
			if (net->by_id[id])
				is_guest[(uint16_t)(net->nat_base + id) % FAST_NAT_GUESTS] = true;
	}
	return is_guest;
}

void fast_inherit(struct fast *f, const struct fast_legacy *legacy)
{
	bool *is_guest = guests_of(f);
	struct list *l;

	list_for_each (&f->nets, l) {
		struct fast_net *net = list_entry(l, struct fast_net, all);
		struct loading loading = { .legacy = legacy,
					   .reader = { net, clock_ns(), is_guest } };
		const uint32_t *taken = loading.taken;

		if (!is_guest)
			break;
		fast_thread_call(net->thread, load_net, &loading);
		log_info(
			"network %s: %u MACs, %u connections, %u translations are the predecessor's",
			net->name, taken[MACS], taken[CONNECTIONS] + taken[ROUTED], taken[FLOWS]);
	}
	free(is_guest);
}
