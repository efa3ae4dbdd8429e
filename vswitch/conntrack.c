/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/conntrack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <time.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/log.h"
#include "vswitch/array.h"
#include "vswitch/vswitch.h"

#define MSG_SIZE	4096
#define GATHER_NS	20000000
#define WORK_NICE	10
#define TIMEOUT_SEC	5
#define TUPLE_ATTRS_MAX 256

struct address {
	uint8_t family;
	uint8_t bytes[16];
};

struct tuple {
	struct address source;
	uint8_t protocol;
	uint16_t to_port;
};

/* Who is it about, and what besides. */
struct wish {
	struct address end;
	bool is_forward; /* @end answered, by a forward of these ports; else it answered or began */
	uint8_t protocol;
	uint16_t first, last;
};

/* What names an entry to be deleted. */
struct entry {
	uint8_t family;
	uint16_t size;
	uint8_t attrs[TUPLE_ATTRS_MAX]; /* its original tuple, zone and id as they came */
};

struct purge {
	struct mnl_socket *nl;
	unsigned int seq;
	struct wish *wishes;
	size_t nr_wishes;
	struct entry *entries;
	size_t nr;
	bool is_nomem;
};

static bool parse_address(const char *text, struct address *a)
{
	*a = (struct address){ .family = text && strchr(text, ':') ? AF_INET6 : AF_INET };
	return text && inet_pton(a->family, text, a->bytes) == 1;
}

/* ---- What the kernel says ---- */

static int take_attrs(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;

	if (mnl_attr_get_type(attr) <= CTA_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static void read_tuple(const struct nlattr *nested, struct tuple *t)
{
	const struct nlattr *tb[CTA_MAX + 1] = { NULL }, *ip[CTA_MAX + 1] = { NULL };
	const struct nlattr *proto[CTA_MAX + 1] = { NULL };
	const struct nlattr *source;

	*t = (struct tuple){ 0 };
	if (!nested)
		return;
	mnl_attr_parse_nested(nested, take_attrs, tb);
	if (tb[CTA_TUPLE_IP])
		mnl_attr_parse_nested(tb[CTA_TUPLE_IP], take_attrs, ip);
	if (tb[CTA_TUPLE_PROTO])
		mnl_attr_parse_nested(tb[CTA_TUPLE_PROTO], take_attrs, proto);
	source = ip[CTA_IP_V4_SRC] ? ip[CTA_IP_V4_SRC] : ip[CTA_IP_V6_SRC];
	if (source) {
		size_t size = ip[CTA_IP_V4_SRC] ? 4 : 16;

		t->source.family = size == 4 ? AF_INET : AF_INET6;
		if (mnl_attr_get_payload_len(source) == size)
			memcpy(t->source.bytes, mnl_attr_get_payload(source), size);
	}
	if (proto[CTA_PROTO_NUM] && mnl_attr_get_payload_len(proto[CTA_PROTO_NUM]) >= 1)
		t->protocol = mnl_attr_get_u8(proto[CTA_PROTO_NUM]);
	if (proto[CTA_PROTO_DST_PORT] && mnl_attr_get_payload_len(proto[CTA_PROTO_DST_PORT]) >= 2)
		t->to_port = ntohs(mnl_attr_get_u16(proto[CTA_PROTO_DST_PORT]));
}

static bool is_wished(const struct purge *p, const struct nlattr *const *tb)
{
	struct tuple orig, reply;
	uint32_t status = 0;

	read_tuple(tb[CTA_TUPLE_ORIG], &orig);
	read_tuple(tb[CTA_TUPLE_REPLY], &reply);
	if (tb[CTA_STATUS] && mnl_attr_get_payload_len(tb[CTA_STATUS]) >= 4)
		status = ntohl(mnl_attr_get_u32(tb[CTA_STATUS]));
	for (size_t i = 0; i < p->nr_wishes; i++) {
		const struct wish *w = &p->wishes[i];
		bool is_end = !memcmp(&reply.source, &w->end, sizeof(w->end));

		if (!w->is_forward && (is_end || !memcmp(&orig.source, &w->end, sizeof(w->end))))
			return true;
		if (w->is_forward && is_end && orig.protocol == w->protocol &&
		    orig.to_port >= w->first && orig.to_port <= w->last && (status & IPS_DST_NAT))
			return true;
	}
	return false;
}

static int take_entry(const struct nlmsghdr *nlh, void *data)
{
	static const int named_by[] = { CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID };
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[CTA_MAX + 1] = { NULL };
	struct purge *p = data;
	struct entry *e;

	mnl_attr_parse(nlh, sizeof(*nfg), take_attrs, tb);
	if (!tb[CTA_TUPLE_ORIG] || !is_wished(p, tb))
		return MNL_CB_OK;
	e = array_add(&p->entries, &p->nr, sizeof(*e));
	if (!e) {
		p->is_nomem = true;
		return MNL_CB_OK;
	}
	e->family = nfg->nfgen_family;
	for (size_t i = 0; i < sizeof(named_by) / sizeof(named_by[0]); i++) {
		const struct nlattr *attr = tb[named_by[i]];
		size_t size = attr ? MNL_ALIGN(attr->nla_len) : 0;

		if (e->size + size > sizeof(e->attrs))
			continue;
		if (size)
			memcpy(e->attrs + e->size, attr, size);
		e->size = (uint16_t)(e->size + size);
	}
	return MNL_CB_OK;
}

/* ---- What we say ---- */

static struct nlmsghdr *begin(struct purge *p, char *buf, uint16_t type, uint16_t flags,
			      uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++p->seq;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

static int talk(struct purge *p, const struct nlmsghdr *nlh, mnl_cb_t fn)
{
	char answer[32 * 1024];
	int r;

	if (mnl_socket_sendto(p->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t size = mnl_socket_recvfrom(p->nl, answer, sizeof(answer));

		if (size < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t)size, p->seq, mnl_socket_get_portid(p->nl), fn, p);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

static int end_all(struct purge *p)
{
	char buf[MSG_SIZE];
	int rc = p->is_nomem ? -ENOMEM : 0;

	for (size_t i = 0; !rc && i < p->nr; i++) {
		const struct entry *e = &p->entries[i];
		struct nlmsghdr *nlh = begin(p, buf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, e->family);

		memcpy(mnl_nlmsg_get_payload_tail(nlh), e->attrs, e->size);
		nlh->nlmsg_len += e->size;
		rc = talk(p, nlh, NULL);
		/* Ended by itself meanwhile. */
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

/* Else the kernel walks all buckets of all namespaces, some milliseconds, to find none of ours. */
static bool is_table_empty(void)
{
	FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	int nr = -1;

	if (!f)
		return false;
	if (fscanf(f, "%d", &nr) != 1)
		nr = -1;
	fclose(f);
	return nr == 0;
}

static int purge(struct purge *p, char *why)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_SEC };
	char buf[MSG_SIZE];
	int rc;

	if (is_table_empty())
		return 0;
	p->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!p->nl || mnl_socket_bind(p->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(p->nl), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0)
		rc = -errno;
	else
		rc = talk(p, begin(p, buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), take_entry);
	if (!rc)
		rc = end_all(p);
	/* What nfnetlink says of a part that it does not have. */
	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		snprintf(why, VS_TEXT_LEN,
			 "tracked connections can't be ended (CONFIG_NF_CT_NETLINK)");
	free(p->entries);
	if (p->nl)
		mnl_socket_close(p->nl);
	return rc ? rc : (int)p->nr;
}

/* ---- Wishes ---- */

static int add_wish(struct wish **v, size_t *nr, const char *address, const struct wish *w)
{
	struct wish *added = array_add(v, nr, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = *w;
	return parse_address(address, &added->end) ? 0 : -EINVAL;
}

static int add_ends(struct wish **v, size_t *nr, const json_t *ends)
{
	const struct wish any = { 0 };
	const json_t *end;
	int rc = 0;
	size_t i;

	json_array_foreach (ends, i, end)
		if (!rc)
			rc = add_wish(v, nr, json_string_value(end), &any);
	return rc;
}

static int add_forwards(struct wish **v, size_t *nr, const json_t *forwards)
{
	const json_t *f;
	int rc = 0;
	size_t i;

	json_array_foreach (forwards, i, f) {
		struct wish w = {
			.is_forward = true,
			.protocol = (uint8_t)json_integer_value(json_object_get(f, "protocol")),
			.first = (uint16_t)json_integer_value(json_object_get(f, "first")),
			.last = (uint16_t)json_integer_value(json_object_get(f, "last")),
		};

		if (!rc)
			rc = add_wish(v, nr, json_string_value(json_object_get(f, "to")), &w);
	}
	return rc;
}

int vs_conntrack_end(const json_t *which, char *why)
{
	struct purge p = { 0 };
	int rc = add_ends(&p.wishes, &p.nr_wishes, json_object_get(which, "ends"));

	if (!rc)
		rc = add_forwards(&p.wishes, &p.nr_wishes, json_object_get(which, "forwards"));
	if (!rc && p.nr_wishes)
		rc = purge(&p, why);
	free(p.wishes);
	return rc;
}

/* ---- Beside ---- */

/* What is asked while the thread walks is for its next walk. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct wish *wishes;
	size_t nr;
	bool is_running;
} later = { .lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER };

/*
 * A walk takes the kernel some 10 ms of a processor, whatever is tracked: those who attach do not wait for it, and
 * many guests that come together share one.
 */
static void *work(void *arg)
{
	const struct timespec gather = { .tv_nsec = GATHER_NS };
	char why[VS_TEXT_LEN] = "";
	int rc;

	setpriority(PRIO_PROCESS, (id_t)gettid(), WORK_NICE);
	pthread_mutex_lock(&later.lock);
	while (later.nr) {
		struct purge p;

		pthread_mutex_unlock(&later.lock);
		nanosleep(&gather, NULL);
		pthread_mutex_lock(&later.lock);
		p = (struct purge){ .wishes = later.wishes, .nr_wishes = later.nr };

		later.wishes = NULL;
		later.nr = 0;
		pthread_mutex_unlock(&later.lock);
		rc = purge(&p, why);
		if (rc < 0)
			log_warning("connections of a reused address may live on: %s",
				    why[0] ? why : strerror(-rc));
		free(p.wishes);
		pthread_mutex_lock(&later.lock);
	}
	later.is_running = false;
	pthread_cond_broadcast(&later.idle);
	pthread_mutex_unlock(&later.lock);
	return arg;
}

/* The lock is held. */
static int start(void)
{
	sigset_t all, old;
	pthread_t thread;
	int r;

	if (later.is_running || !later.nr)
		return 0;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, NULL, work, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	later.is_running = !r;
	if (!r)
		pthread_detach(thread);
	return -r;
}

int vs_conntrack_end_soon(const json_t *which)
{
	int rc;

	if (is_table_empty())
		return 0;
	pthread_mutex_lock(&later.lock);
	rc = add_ends(&later.wishes, &later.nr, json_object_get(which, "ends"));
	if (!rc)
		rc = start();
	pthread_mutex_unlock(&later.lock);
	return rc;
}

void vs_conntrack_wait(void)
{
	pthread_mutex_lock(&later.lock);
	while (later.is_running)
		pthread_cond_wait(&later.idle, &later.lock);
	pthread_mutex_unlock(&later.lock);
}
