/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about domains and about the server itself. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "hv/xenstore/xs_priv.h"

static int parse_domid(const char *text, uint16_t *domid)
{
	uint32_t value;

	if (parse_u32(text, XS_NR_DOMIDS - 1, &value) < 0)
		return -EINVAL;
	*domid = (uint16_t)value;
	return 0;
}

int xs_do_introduce(struct xs_request *rq)
{
	struct xs_server *server = rq->conn->server;
	const char *texts[4];
	uint64_t gfn;
	uint32_t port;
	uint16_t domid;
	int nr = xs_texts(rq, texts, 4);

	if (nr < 3 || parse_domid(texts[0], &domid) < 0 || !domid ||
	    parse_u64(texts[1], UINT64_MAX, &gfn) < 0 || parse_u32(texts[2], UINT32_MAX, &port) < 0)
		return -EINVAL;
	if (xs_server_is_introduced(server, domid)) {
		xs_watch_fire_special(server, "@introduceDomain");
		return XS_OK;
	}
	if (!server->hooks || !server->hooks->introduce)
		return -ENOSYS;
	nr = server->hooks->introduce(server->hooks_arg, domid, gfn, port);
	return nr < 0 ? nr : XS_OK;
}

int xs_do_release(struct xs_request *rq)
{
	struct xs_server *server = rq->conn->server;
	const char *text;
	uint16_t domid;
	int rc = xs_texts(rq, &text, 1);

	if (rc != 1 || parse_domid(text, &domid) < 0 || !domid)
		return -EINVAL;
	if (!xs_server_is_introduced(server, domid))
		return -ENOENT;
	if (!server->hooks || !server->hooks->release)
		return -ENOSYS;
	rc = server->hooks->release(server->hooks_arg, domid);
	return rc < 0 ? rc : XS_OK;
}

int xs_do_is_introduced(struct xs_request *rq)
{
	const char *text;
	uint16_t domid;

	if (xs_texts(rq, &text, 1) != 1)
		return -EINVAL;
	/* libxenstore asks for numbers that cannot be, such as DOMID_SELF. */
	if (parse_domid(text, &domid) < 0)
		domid = XS_NO_DOMID;
	xs_conn_reply(rq->conn, rq->msg, rq->msg->type,
		      domid == 0 || (domid != XS_NO_DOMID &&
				     xs_server_is_introduced(rq->conn->server, domid))
			      ? "T"
			      : "F",
		      2);
	return 0;
}

int xs_do_domain_path(struct xs_request *rq)
{
	const char *text;
	uint16_t domid;
	char path[32];
	int len;

	if (xs_texts(rq, &text, 1) != 1 || parse_domid(text, &domid) < 0)
		return -EINVAL;
	len = snprintf(path, sizeof(path), "/local/domain/%u", domid);
	xs_conn_reply(rq->conn, rq->msg, rq->msg->type, path, (size_t)len + 1);
	return 0;
}

static size_t say_help(struct xs_server *server, const char *arg, char *buf, size_t room)
{
	(void)server;
	(void)arg;
	return (size_t)snprintf(buf, room, "commands: help, quota [domid], stats\n");
}

static size_t say_quota(struct xs_server *server, const char *arg, char *buf, size_t room)
{
	uint16_t domid;

	if (!arg)
		return (size_t)snprintf(buf, room,
					"nodes %d\nwatches %d\ntransactions %d\nnode-size %d\n"
					"outstanding %d\ntransaction-nodes %d\npath-max %d\n"
					"node-permissions %d\n",
					XS_QUOTA_NODES, XS_QUOTA_WATCHES, XS_QUOTA_TRANSACTIONS,
					XS_QUOTA_NODE_SIZE, XS_QUOTA_OUTSTANDING, XS_QUOTA_TX_NODES,
					XS_QUOTA_PATH, XS_PERMS_MAX);
	if (parse_domid(arg, &domid) < 0)
		return 0;
	return (size_t)snprintf(buf, room, "nodes %u\nwatches %u\ntransactions %u\n",
				server->tree.owned[domid],
				server->domains[domid] ? server->domains[domid]->nr_watches : 0,
				server->domains[domid] ? server->domains[domid]->nr_txs : 0);
}

static size_t say_stats(struct xs_server *server, const char *arg, char *buf, size_t room)
{
	struct xs_server_stats s;

	(void)arg;
	xs_server_stats(server, &s);
	return (size_t)snprintf(buf, room,
				"nodes %llu\nwatches %llu\nconnections %llu\nrequests %llu\n"
				"commits %llu\nconflicts %llu\n",
				(unsigned long long)s.nodes, (unsigned long long)s.watches,
				(unsigned long long)s.connections, (unsigned long long)s.requests,
				(unsigned long long)s.commits, (unsigned long long)s.conflicts);
}

static const struct {
	const char *name;
	size_t (*say)(struct xs_server *server, const char *arg, char *buf, size_t room);
} controls[] = { { "help", say_help }, { "quota", say_quota }, { "stats", say_stats } };

int xs_do_control(struct xs_request *rq)
{
	const char *texts[2] = { NULL, NULL };
	char buf[1024];
	size_t len;
	int nr = xs_texts(rq, texts, 2);

	if (nr < 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (strcmp(texts[0], controls[i].name) != 0)
			continue;
		len = controls[i].say(rq->conn->server, texts[1], buf, sizeof(buf));
		if (!len)
			return -EINVAL;
		xs_conn_reply(rq->conn, rq->msg, rq->msg->type, buf, len + 1);
		return 0;
	}
	return -EINVAL;
}
