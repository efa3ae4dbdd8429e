/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "vswitch/fastnet_nat.h"
#include "vswitch/plan_priv.h"
#include "vswitch/service.h"

#define KIND	 "ports"
#define PORTS	 65536u
#define TEXT_MAX (PORTS * 7) /* "12345,": no list is longer */

const char *ports_sysctl = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/* ---- The plan ---- */

int ports_plan(const struct vs_plan_input *in, bool is_end, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	struct vs_port_range pool;
	bool has_pool = fastnet_pool(in->wanted, &pool);

	if (!is_end && has_pool)
		plan_set_doc(&p, VS_DISRUPTION_NONE, VS_DOC_PORTS, PORTS_HOST,
			     json_pack("{s[i,i]}", "ports", pool.first, pool.last));
	if (is_end && !has_pool)
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_PORTS, PORTS_HOST);
	return p.rc;
}

/* ---- Lists ---- */

static bool has(const uint8_t *list, unsigned int port)
{
	return list[port / 8] & 1u << port % 8;
}

static void set(uint8_t *list, unsigned int port, bool on)
{
	uint8_t bit = (uint8_t)(1u << port % 8);

	if (on)
		list[port / 8] |= bit;
	else
		list[port / 8] &= (uint8_t)~bit;
}

int ports_read_list(const char *text, uint8_t list[PORTS_LIST_SIZE])
{
	memset(list, 0, PORTS_LIST_SIZE);
	while (*text && *text != '\n') {
		unsigned long first, last;
		char *end;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last >= PORTS || first > last || (*end && *end != ',' && *end != '\n'))
			return -EINVAL;
		for (; first <= last; first++)
			set(list, (unsigned int)first, true);
		text = *end == ',' ? end + 1 : end;
	}
	return 0;
}

char *ports_write_list(const uint8_t list[PORTS_LIST_SIZE])
{
	char *text = malloc(TEXT_MAX);
	unsigned int last;
	size_t len = 0;

	if (!text)
		return NULL;
	for (unsigned int port = 0; port < PORTS; port = last + 1) {
		last = port;
		if (!has(list, port))
			continue;
		while (last + 1 < PORTS && has(list, last + 1))
			last++;
		len += (size_t)snprintf(text + len, TEXT_MAX - len,
					last > port ? "%s%u-%u" : "%s%u", len ? "," : "", port,
					last);
	}
	snprintf(text + len, TEXT_MAX - len, "\n");
	return text;
}

/* ---- The host's ---- */

static int read_host(uint8_t list[PORTS_LIST_SIZE])
{
	char *text = malloc(TEXT_MAX);
	int fd = open(ports_sysctl, O_RDONLY | O_CLOEXEC), rc = 0;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || !text)
		rc = fd < 0 ? -errno : -ENOMEM;
	while (!rc && len < TEXT_MAX - 1) {
		n = read(fd, text + len, TEXT_MAX - 1 - len);
		if (n <= 0) {
			rc = n < 0 ? -errno : 0;
			break;
		}
		len += (size_t)n;
	}
	if (!rc) {
		text[len] = '\0';
		rc = ports_read_list(text, list);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	return rc;
}

/* A write that goes on behind another adds to it: the kernel takes a page at a time. */
static int write_host(const uint8_t list[PORTS_LIST_SIZE])
{
	char *text = ports_write_list(list);
	int fd, rc;

	if (!text)
		return -ENOMEM;
	fd = open(ports_sysctl, O_WRONLY | O_TRUNC | O_CLOEXEC);
	rc = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	free(text);
	return rc;
}

/* What is set, and what of it is noted as ours. */
struct state {
	struct service s;
	uint8_t list[PORTS_LIST_SIZE];
	json_t *kept; /* {"ports": [first, last], "others": list}; NULL: none */
	unsigned int first, last;
	bool is_whole; /* all of ours are set: so what is noted of others' among them holds */
};

static bool read_ports(const json_t *doc, unsigned int *first, unsigned int *last)
{
	const json_t *ports = json_object_get(doc, "ports");
	json_int_t a = json_integer_value(json_array_get(ports, 0)),
		   b = json_integer_value(json_array_get(ports, 1));

	if (json_array_size(ports) != 2 || a < 1 || b < a || b >= PORTS)
		return false;
	*first = (unsigned int)a;
	*last = (unsigned int)b;
	return true;
}

static int read_state(const char *rundir, struct state *st)
{
	int rc;

	*st = (struct state){ .is_whole = true };
	rc = service_init(&st->s, rundir, KIND, PORTS_HOST);
	if (!rc)
		rc = read_host(st->list);
	if (rc)
		return rc;
	st->kept = service_read_doc(&st->s);
	if (!read_ports(st->kept, &st->first, &st->last)) {
		json_decref(st->kept);
		st->kept = NULL;
	}
	for (unsigned int p = st->first; st->kept && p <= st->last; p++)
		st->is_whole = st->is_whole && has(st->list, p);
	return 0;
}

static int ports_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct state st;
	int rc;

	*doc = NULL;
	if (strcmp(name, PORTS_HOST) != 0)
		return 0;
	rc = read_state(ctx, &st);
	if (!rc && st.kept) {
		*doc = json_pack("{sO}", "ports", json_object_get(st.kept, "ports"));
		if (!*doc || (!st.is_whole && json_object_set_new(*doc, "missing", json_true())))
			rc = -ENOMEM;
	}
	if (rc) {
		snprintf(why, VS_TEXT_LEN, "cannot read %.80s: %s", ports_sysctl, strerror(-rc));
		json_decref(*doc);
		*doc = NULL;
	}
	json_decref(st.kept);
	return rc;
}

static int ports_observe(void *ctx, struct vs_observed *o, char *why)
{
	json_t *doc;
	int rc = ports_get(ctx, PORTS_HOST, &doc, why);

	if (!rc && doc)
		rc = vs_observed_set_doc(o, VS_DOC_PORTS, PORTS_HOST, doc);
	json_decref(doc);
	return rc;
}

/* As others have it: ours out of it, but where they were theirs, too. */
static void take_out(struct state *st)
{
	const char *text = json_string_value(json_object_get(st->kept, "others"));
	uint8_t others[PORTS_LIST_SIZE];

	/* Whoever wrote it anew meanwhile has said what he wants. */
	if (!st->kept || !st->is_whole || ports_read_list(text ? text : "", others))
		return;
	for (unsigned int p = st->first; p <= st->last; p++)
		set(st->list, p, has(others, p));
}

static int note(struct state *st, const json_t *doc, unsigned int first, unsigned int last)
{
	uint8_t others[PORTS_LIST_SIZE] = { 0 };
	json_t *kept;
	char *text;
	int rc;

	for (unsigned int p = first; p <= last; p++)
		set(others, p, has(st->list, p));
	text = ports_write_list(others);
	kept = text ? json_pack("{sO ss}", "ports", json_object_get(doc, "ports"), "others", text)
		    : NULL;
	rc = kept ? service_make_dirs(&st->s, NULL, 0) : -ENOMEM;
	if (!rc)
		rc = service_write_doc(&st->s, kept);
	json_decref(kept);
	free(text);
	return rc;
}

static int change(struct state *st, const json_t *doc)
{
	unsigned int first, last;
	int rc;

	if (doc && !read_ports(doc, &first, &last))
		return -EINVAL;
	take_out(st);
	if (!doc) {
		rc = st->kept ? write_host(st->list) : 0;
		if (!rc)
			service_remove(&st->s);
		return rc;
	}
	/* Other ports than before: killed in between, nothing of the old ones is left over. */
	rc = st->kept ? write_host(st->list) : 0;
	if (!rc)
		rc = note(st, doc, first, last);
	for (unsigned int p = first; p <= last; p++)
		set(st->list, p, true);
	return rc ? rc : write_host(st->list);
}

static int ports_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct state st = { .kept = NULL };
	int rc = strcmp(name, PORTS_HOST) != 0 ? -EINVAL : read_state(ctx, &st);

	if (!rc)
		rc = change(&st, doc);
	if (rc)
		snprintf(why, VS_TEXT_LEN,
			 "cannot keep ports from sockets by %.60s: %s; let vifrostd write it",
			 ports_sysctl, strerror(-rc));
	json_decref(st.kept);
	return rc;
}

static int ports_open(const char *rundir, void **ctx, char *why)
{
	(void)why;
	*ctx = (void *)(uintptr_t)rundir;
	return 0;
}

static void ports_close(void *ctx)
{
	(void)ctx;
}

const struct vs_doc_ops ports_doc_ops = {
	.open = ports_open,
	.observe = ports_observe,
	.get = ports_get,
	.apply = ports_apply,
	.close = ports_close,
};
