/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two ends that are to reach each other, by which addresses, and whether they do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/bench/bench.h"
#include "policy/bench/load.h"

#define ANSWER_TIMEOUT_MS 15000
#define ASK_MS		  300

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void with_scope(char out[BENCH_ADDRESS_LEN], const char *address, const char *device)
{
	snprintf(out, BENCH_ADDRESS_LEN, "%.*s%%%.*s", INET6_ADDRSTRLEN, address, IFNAMSIZ - 1,
		 device);
}

static void both(struct bench_path *p, const char *to, const char *from)
{
	snprintf(p->address, sizeof(p->address), "%s", to);
	snprintf(p->back_address, sizeof(p->back_address), "%s", from);
}

/* IPv4, IPv6, what each interface has by itself: the first that both have. Far ends are reached by routes. */
static int choose(struct bench_path *p)
{
	const struct bench_end *from = p->ends[0], *to = p->ends[1];

	if (!from->pid || !to->pid) {
		both(p, to->v4[0] ? to->v4 : to->v6, from->v4[0] ? from->v4 : from->v6);
	} else if (to->v4[0] && from->v4[0]) {
		both(p, to->v4, from->v4);
	} else if (to->v6[0] && from->v6[0]) {
		both(p, to->v6, from->v6);
	} else if (from->link_local[0] && to->link_local[0] &&
		   !strcmp(from->network, to->network)) {
		with_scope(p->address, to->link_local, from->device);
		with_scope(p->back_address, from->link_local, to->device);
	} else {
		return -EADDRNOTAVAIL;
	}
	return 0;
}

/* The address under which @p's second end listens: as it says it itself. */
static void own_address(const struct bench_path *p, char out[BENCH_ADDRESS_LEN])
{
	snprintf(out, BENCH_ADDRESS_LEN, "%s", p->address);
	if (strchr(out, '%'))
		with_scope(out, p->ends[1]->link_local, p->ends[1]->device);
}

/* One question, one answer. Return: 0; -ENETUNREACH; -EINTR; -errno. */
static int ask(const struct bench *b, const struct bench_path *p)
{
	char at[BENCH_ADDRESS_LEN], *text = NULL;
	struct load echo = { LOAD_ECHO, at, b->port, 0, ANSWER_TIMEOUT_MS, b->run };
	struct load ping = { LOAD_PING, p->address, b->port, LOAD_MIN_SIZE, ASK_MS, b->run };
	struct bench_child server, client;
	json_t *answer;
	int rc;

	own_address(p, at);
	rc = bench_child_start(&server, p->ends[1]->pid, NULL, load_run, &echo);
	if (rc)
		return rc;
	rc = bench_child_listens(&server, b->port, true, 1000);
	if (!rc)
		rc = bench_child_start(&client, p->ends[0]->pid, NULL, load_run, &ping);
	if (!rc)
		rc = bench_child_wait(&client, 3 * ASK_MS + 1000, &text);
	bench_child_kill(&server);
	if (rc)
		return rc == -EINTR ? rc : -ENETUNREACH;
	answer = json_loads(text ? text : "", 0, NULL);
	free(text);
	rc = json_integer_value(json_object_get(answer, "samples")) > 0 ? 0 : -ENETUNREACH;
	json_decref(answer);
	return rc;
}

/* Of the path's networks, as vifrostd has them. */
static void describe(const struct bench *b, struct bench_path *p)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(b->status, "networks"), i, entry)
		if (!strcmp(text_of(entry, "name"), p->network))
			snprintf(p->mode, sizeof(p->mode), "%s", text_of(entry, "mode"));
	json_array_foreach (json_object_get(b->status, "vifs"), i, entry)
		for (int k = 0; k < 2 && p->ends[k]; k++)
			if (p->ends[k]->vif[0] &&
			    !strcmp(text_of(entry, "name"), p->ends[k]->vif) &&
			    text_of(entry, "datapath")[0] && !p->datapath[0])
				snprintf(p->datapath, sizeof(p->datapath), "%s",
					 text_of(entry, "datapath"));
}

static const char *end_name(const struct bench_end *end)
{
	return end->is_own ? "our guest" : end->name;
}

/* Why it does not work, of the last look at an end: @fresh, vifrostd's status. */
static void say_unreachable(const struct bench *b, const struct bench_path *p, int rc,
			    char why[BENCH_WHY])
{
	const json_t *vif;
	size_t i;

	json_array_foreach (json_object_get(b->status, "vifs"), i, vif)
		for (int k = 0; k < 2; k++)
			if (p->ends[k]->vif[0] && !strcmp(text_of(vif, "name"), p->ends[k]->vif) &&
			    strcmp(text_of(vif, "state"), "connected") != 0) {
				snprintf(why, BENCH_WHY, "%s of %s is %s: %s", p->ends[k]->vif,
					 end_name(p->ends[k]), text_of(vif, "state"),
					 text_of(vif, "reason"));
				return;
			}
	if (rc == -EADDRNOTAVAIL)
		snprintf(why, BENCH_WHY,
			 "%s and %s have no address of one kind (IPv4, IPv6, or link-local on one "
			 "network): give them some",
			 end_name(p->ends[0]), end_name(p->ends[1]));
	else
		snprintf(
			why, BENCH_WHY,
			"%.200s gets no answer from %.200s at %s, UDP port %u: does the policy's firewall or isolation "
			"let it? `vifrost explain %s` says what holds; or take another --port",
			end_name(p->ends[0]), end_name(p->ends[1]), p->address, b->port,
			p->ends[0]->vif[0] ? p->ends[0]->vif : p->ends[1]->vif);
}

static int wait_for_answer(struct bench *b, struct bench_path *p)
{
	uint64_t end = clock_ms() + ANSWER_TIMEOUT_MS;
	int rc;

	do {
		rc = 0;
		for (int k = 0; k < 2 && !rc; k++)
			if (p->ends[k]->pid)
				rc = bench_end_addresses(p->ends[k]);
		if (!rc)
			rc = choose(p);
		if (!rc && p->ends[0]->pid && p->ends[1]->pid)
			rc = ask(b, p);
		if (!rc || rc == -EINTR)
			return rc;
	} while (!bench_sleep(50) && clock_ms() < end);
	return bench_interrupted() ? -EINTR : rc;
}

int bench_path_open(struct bench *b, struct bench_path *p, char why[BENCH_WHY])
{
	int rc = bench_end_open(b, p->from, p->network, &p->ends[0], why);

	if (!rc)
		rc = bench_end_open(b, p->to, p->network, &p->ends[1], why);
	if (rc)
		return rc;
	/* Without a network named, it is that of the guest. */
	for (int k = 0; k < 2; k++)
		if (!p->network[0] && p->ends[k]->network[0])
			memcpy(p->network, p->ends[k]->network, sizeof(p->network));
	for (int k = 0; k < 2; k++)
		if (p->ends[k]->is_host && !p->ends[k]->device[0]) {
			memcpy(p->ends[k]->network, p->network, sizeof(p->network));
			memcpy(p->ends[k]->device, p->network, sizeof(p->network));
		}
	if (!p->ends[0]->pid && !p->ends[1]->pid) {
		snprintf(
			why, BENCH_WHY,
			"%.200s and %.200s are both out of reach: one end must be %s or a guest of type ns",
			p->ends[0]->name, p->ends[1]->name, BENCH_HOST);
		return -EOPNOTSUPP;
	}
	rc = wait_for_answer(b, p);
	if (rc != -EINTR && bench_status(b, why))
		return -ENOTCONN;
	describe(b, p);
	if (rc && rc != -EINTR)
		say_unreachable(b, p, rc, why);
	return rc;
}
