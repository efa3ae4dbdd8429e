/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part that acts: vifrostd, and the renaming of a device, which no policy asks for. */
#include "policy/netscript.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/rtnetlink.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "policy/daemon_api.h"
#include "vswitch/vswitch.h"

#define RPC_TIMEOUT_MS	120000
#define START_LIMIT_NS	(10 * 1000000000ull)
#define START_STEP_NS	20000000
#define STOP_LIMIT_MS	5000
#define DAEMON		"vifrostd"
#define STATUS_NOT_RUNS 3 /* as the LSB has it */

static const struct vs_look links_only;

struct job {
	struct netscript n;
	char rundir[RUNDIR_MAX], socket[PATH_MAX];
	struct vs_system *sys;
	json_t *policy; /* in force; an empty object when none is */
	bool has_started_daemon;
	char why[512];
};

/* Takes @params. @code: of vifrostd's refusal, "" otherwise. */
static int call(struct job *j, const char *method, json_t *params, json_t **result_out,
		char code[32])
{
	json_t *result = NULL, *data;
	const char *message;
	int rc = rpc_call(j->socket, method, params, RPC_TIMEOUT_MS, &result);

	code[0] = '\0';
	if (rc == -EREMOTEIO) {
		message = json_string_value(json_object_get(result, "code"));
		snprintf(code, 32, "%s", message ? message : "");
		message = json_string_value(json_object_get(result, "message"));
		data = json_array_get(json_object_get(result, "data"), 0);
		snprintf(j->why, sizeof(j->why), "%s%s%s", message ? message : "vifrostd refuses",
			 data ? ": " : "",
			 data ? json_string_value(json_object_get(data, "message")) : "");
	} else if (rc) {
		snprintf(j->why, sizeof(j->why), "vifrostd at %.200s: %s", j->socket,
			 strerror(-rc));
	}
	if (rc) {
		json_decref(result);
		result = NULL;
	}
	*result_out = result;
	return rc;
}

static int show(struct job *j)
{
	char code[32];
	int rc = call(j, "show", NULL, &j->policy, code);

	if (rc != -EREMOTEIO || strcmp(code, DAEMON_ERROR_NOT_FOUND) != 0)
		return rc;
	j->policy = json_object();
	return j->policy ? 0 : -ENOMEM;
}

/* The policy in force, of a vifrostd that runs; where none does, one is started if @start. */
static int connect_daemon(struct job *j, bool start)
{
	const char *argv[] = { DAEMON, "--run-dir", j->rundir, NULL };
	const struct child_spec spec = { .rundir = j->rundir, .name = DAEMON, .argv = argv };
	const struct timespec step = { .tv_nsec = START_STEP_NS };
	uint64_t end = clock_ns() + START_LIMIT_NS;
	int rc;

	json_decref(j->policy);
	j->policy = NULL;
	rc = show(j);
	if ((rc != -ENOENT && rc != -ECONNREFUSED) || !start)
		return rc;
	rc = rundir_create(j->rundir);
	if (!rc)
		rc = child_start(&spec, NULL);
	if (rc && rc != -EALREADY) {
		snprintf(j->why, sizeof(j->why), "cannot start vifrostd: %s", strerror(-rc));
		return rc;
	}
	j->has_started_daemon = !rc;
	do {
		nanosleep(&step, NULL);
		rc = show(j);
	} while ((rc == -ENOENT || rc == -ECONNREFUSED) && clock_ns() < end);
	return rc;
}

static int apply(struct job *j)
{
	json_t *networks = json_object_get(j->policy, "networks"), *result = NULL;
	char *text, code[32];
	int rc;

	if (!json_object_size(networks)) {
		rc = call(j, "down", NULL, &result, code);
	} else {
		text = json_dumps(j->policy, JSON_INDENT(2));
		rc = text ? call(j, "apply",
				 json_pack("{ss ss}", "policy", text, "file", "network-scripts"),
				 &result, code)
			  : -ENOMEM;
		free(text);
	}
	json_decref(result);
	return rc;
}

/* What a device loses when it goes down to be renamed; the kernel makes its own anew. */
static void put_back(struct vs_system *sys, const struct vs_observed *o, int ifindex,
		     const char *name)
{
	char why[VS_TEXT_LEN], text[VS_OP_TEXT_LEN];
	struct vs_op op = { .kind = VS_OP_ADDR_ADD, .value = 1 };

	snprintf(op.link, sizeof(op.link), "%s", name);
	for (size_t i = 0; i < o->nr_addrs + o->nr_routes; i++) {
		if (i < o->nr_addrs) {
			if (o->addrs[i].ifindex != ifindex ||
			    o->addrs[i].addr.scope == RT_SCOPE_LINK)
				continue;
			op.addr = o->addrs[i].addr;
		} else {
			const struct vs_link_route *r = &o->routes[i - o->nr_addrs];

			if (r->ifindex != ifindex || r->route.protocol == RTPROT_KERNEL)
				continue;
			op.kind = VS_OP_ROUTE_ADD;
			op.route = r->route;
		}
		if (!sys->ops->apply(sys, &op, why))
			continue;
		vs_op_text(&op, text);
		log_warning("cannot %s: %s", text, why);
	}
}

/* With its addresses and routes. Kernels of 6.2 and later do it without taking the device down. */
static int rename_device(struct job *j, const char *from, const char *to)
{
	struct vs_op op = { .kind = VS_OP_SET_NAME };
	const struct vs_link *link;
	char why[VS_TEXT_LEN] = "";
	struct vs_observed o;
	int rc = j->sys->ops->observe(j->sys, &links_only, &o, why), ifindex;
	bool was_up;

	if (rc)
		return rc;
	link = vs_observed_link(&o, from);
	if (!link || vs_observed_link(&o, to)) {
		snprintf(j->why, sizeof(j->why), "%s cannot be called %s: %s", from, to,
			 link ? "there is one of that name" : "it is not there");
		rc = link ? -EEXIST : -ENODEV;
		goto out;
	}
	ifindex = link->ifindex;
	was_up = link->is_up;
	snprintf(op.link, sizeof(op.link), "%s", from);
	snprintf(op.text, sizeof(op.text), "%s", to);
	rc = j->sys->ops->apply(j->sys, &op, why);
	if (rc)
		rc = vs_rename_link(j->sys, from, to, why);
	if (rc)
		snprintf(j->why, sizeof(j->why), "%s cannot be called %s: %s", from, to, why);
	op = (struct vs_op){ .kind = VS_OP_SET_UP, .value = was_up };
	snprintf(op.link, sizeof(op.link), "%s", rc ? from : to);
	j->sys->ops->apply(j->sys, &op, why);
	put_back(j->sys, &o, ifindex, op.link);
out:
	vs_observed_fini(&o);
	return rc;
}

static int start(struct job *j)
{
	char pdev[IFNAMSIZ], netdev[IFNAMSIZ], why[NETSCRIPT_WHY_LEN] = "";
	struct vs_link link;
	bool is_new, renamed = false;
	int rc = connect_daemon(j, true);

	if (rc)
		return rc;
	is_new = !netscript_find(&j->n, j->policy, pdev, netdev);
	if (is_new && !j->sys->ops->link(j->sys, j->n.netdev, &link))
		j->n.netdev_mtu = link.mtu;
	rc = netscript_add(&j->n, j->policy, why);
	if (rc) {
		snprintf(j->why, sizeof(j->why), "%s", why);
		return rc;
	}
	if (is_new && j->n.pdev[0]) {
		rc = rename_device(j, j->n.netdev, j->n.pdev);
		if (rc)
			return rc;
		renamed = true;
	}
	rc = apply(j);
	if (rc && renamed) {
		memcpy(why, j->why, sizeof(why));
		rename_device(j, j->n.pdev, j->n.netdev);
		snprintf(j->why, sizeof(j->why), "%.*s", (int)sizeof(why) - 1, why);
	}
	return rc;
}

/* What is not there is stopped. */
static int stop(struct job *j)
{
	char pdev[IFNAMSIZ], netdev[IFNAMSIZ];
	int rc = connect_daemon(j, false);

	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return 0;
	if (rc || !netscript_find(&j->n, j->policy, pdev, netdev))
		return rc;
	rc = netscript_remove(&j->n, j->policy);
	if (!rc)
		rc = apply(j);
	if (!rc && pdev[0])
		rc = rename_device(j, pdev, netdev);
	/* Ours, if we have started it; a service manager's is another. */
	if (!rc && !json_object_size(json_object_get(j->policy, "networks")) &&
	    !child_find(j->rundir, DAEMON, NULL))
		child_stop(j->rundir, DAEMON, STOP_LIMIT_MS);
	return rc;
}

static int status(struct job *j)
{
	const json_t *network;
	json_t *result = NULL;
	char code[32];
	size_t i;
	int rc = call(j, "status", NULL, &result, code);

	if (rc && rc != -ENOENT && rc != -ECONNREFUSED)
		return rc;
	json_array_foreach (json_object_get(result, "networks"), i, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		char *text;

		if (!name || strcmp(name, j->n.bridge) != 0)
			continue;
		text = json_dumps(network, JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("%s is started: %s\n", j->n.bridge, text ? text : "");
		free(text);
		json_decref(result);
		return 0;
	}
	printf("%s is not started\n", j->n.bridge);
	json_decref(result);
	return STATUS_NOT_RUNS;
}

/* Where the default route of IPv4 leads; "" when nowhere. */
static int find_default(struct vs_system *sys, char name[IFNAMSIZ])
{
	const struct vs_link *link;
	struct vs_observed o;
	char why[VS_TEXT_LEN];
	uint32_t best = UINT32_MAX;
	int rc = sys->ops->observe(sys, &links_only, &o, why);

	name[0] = '\0';
	for (size_t i = 0; !rc && i < o.nr_routes; i++) {
		const struct vs_route *r = &o.routes[i].route;

		link = vs_observed_index(&o, o.routes[i].ifindex);
		if (!link || r->prefix_len || r->table != RT_TABLE_MAIN || r->metric >= best)
			continue;
		best = r->metric;
		memcpy(name, link->name, IFNAMSIZ);
	}
	if (!rc)
		vs_observed_fini(&o);
	return rc;
}

/* Once it is started, the default route leads over the network's own device: that is the one meant. */
static void take_started(struct job *j, const char *netdev)
{
	struct netscript n = j->n;
	char pdev[IFNAMSIZ], was[IFNAMSIZ];

	snprintf(n.bridge, sizeof(n.bridge), "%s", netdev);
	if (netdev[0] && !connect_daemon(j, false) && netscript_find(&n, j->policy, pdev, was))
		memcpy(j->n.bridge, n.bridge, sizeof(n.bridge));
	json_decref(j->policy);
	j->policy = NULL;
	j->why[0] = '\0';
}

static bool is_given(int argc, char **argv, const char *key)
{
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], key, strlen(key)))
			return true;
	return false;
}

/* The same network again, whatever the arguments would make of it now. */
static int restart(struct job *j)
{
	char pdev[IFNAMSIZ], netdev[IFNAMSIZ];
	json_t *again;
	int rc = connect_daemon(j, true);

	if (rc)
		return rc;
	again = json_deep_copy(j->policy);
	if (!netscript_find(&j->n, j->policy, pdev, netdev)) {
		json_decref(again);
		return start(j);
	}
	rc = stop(j);
	json_decref(j->policy);
	j->policy = NULL;
	if (!rc)
		rc = connect_daemon(j, true);
	json_decref(j->policy);
	j->policy = again;
	if (!rc && pdev[0])
		rc = rename_device(j, netdev, pdev);
	return rc ? rc : apply(j);
}

static int run_command(struct job *j)
{
	switch (j->n.command) {
	case NETSCRIPT_STATUS:
		return status(j);
	case NETSCRIPT_STOP:
		return stop(j);
	case NETSCRIPT_RESTART:
		return restart(j);
	case NETSCRIPT_START:
		break;
	}
	return start(j);
}

int netscript_run(int argc, char **argv)
{
	char netdev[IFNAMSIZ], why[NETSCRIPT_WHY_LEN] = "";
	struct job j = { .policy = NULL };
	int rc = rundir_resolve(NULL, j.rundir);

	if (rc) {
		log_err("VIFROST_RUN_DIR: a short absolute path");
		return 1;
	}
	rundir_file(j.socket, j.rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = vs_rtnl_open(j.rundir, &j.sys);
	if (!rc)
		rc = find_default(j.sys, netdev);
	if (rc) {
		log_err("cannot read the kernel's links: %s", strerror(-rc));
		goto out;
	}
	rc = netscript_read(argc, argv, netdev, &j.n, why);
	if (rc) {
		log_err("%s", why);
		goto out;
	}
	if (!is_given(argc, argv, "netdev=") && !is_given(argc, argv, "bridge=") &&
	    !is_given(argc, argv, "vifnum="))
		take_started(&j, netdev);
	rc = run_command(&j);
	if (rc < 0 && j.has_started_daemon)
		child_stop(j.rundir, DAEMON, STOP_LIMIT_MS);
	if (rc < 0)
		log_err("%s: %s", j.n.bridge, j.why[0] ? j.why : strerror(-rc));
out:
	json_decref(j.policy);
	if (j.sys)
		j.sys->ops->close(j.sys);
	return rc < 0 ? 1 : rc;
}
