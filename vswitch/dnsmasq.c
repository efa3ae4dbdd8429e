/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents of dnsmasq (dnsmasq.h) as processes and their files. */
#include "vswitch/dnsmasq.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <net/if.h>

#include "base/child.h"
#include "base/clock.h"
#include "vswitch/service.h"

#define CONF_FILE   "dnsmasq.conf"
#define PID_FILE    "pid" /* written once it listens */
#define LEASES_FILE "leases"
#define DEVICE_FILE "device" /* the number of the device that it is bound to */
#define HOSTS_DIR   "hosts.d"
#define NAMES_DIR   "names.d"
#define HOSTS_FILE  HOSTS_DIR "/guests"
#define NAMES_FILE  NAMES_DIR "/guests"
#define STOP_MS	    2000
#define START_MS    5000
#define POLL_NS	    2000000
#define USER	    "dnsmasq"
#define USER_NOBODY "nobody"

static const char *const inner_dirs[] = { HOSTS_DIR, NAMES_DIR };

/* What it is told as texts of files. */
struct texts {
	char *config, *hosts, *names;
	char device[16];
};

static void texts_free(struct texts *t)
{
	free(t->config);
	free(t->hosts);
	free(t->names);
}

void dnsmasq_leases_path(const char *rundir, const char *network, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.3000s/dnsmasq/%.64s/" LEASES_FILE, rundir, network);
}

/* The document's lines after those that say where things are. */
static char *config_text(const struct service *s, const json_t *doc)
{
	char *lines = service_lines(json_object_get(doc, "config"));
	const char *asks = json_string_value(json_object_get(doc, "asks"));
	char resolv[PATH_MAX] = "";
	const char *user = getpwnam(USER) ? USER : USER_NOBODY;
	char *text = NULL;

	if (asks)
		snprintf(resolv, sizeof(resolv), "resolv-file=%.3000s/%.64s\n", s->rundir, asks);
	if (lines && asprintf(&text,
			      "user=%s\npid-file=%s/" PID_FILE "\ndhcp-leasefile=%s/" LEASES_FILE
			      "\ndhcp-hostsdir=%s/" HOSTS_DIR "\nhostsdir=%s/" NAMES_DIR "\n%s%s",
			      user, s->dir, s->dir, s->dir, s->dir, resolv, lines) < 0)
		text = NULL;
	free(lines);
	return text;
}

static int make_texts(const struct service *s, const char *network, const json_t *doc,
		      struct texts *t)
{
	const char *device = json_string_value(json_object_get(doc, "device"));

	*t = (struct texts){ 0 };
	t->config = config_text(s, doc);
	t->hosts = service_lines(json_object_get(doc, "hosts"));
	t->names = service_lines(json_object_get(doc, "names"));
	snprintf(t->device, sizeof(t->device), "%u",
		 device && strcmp(device, "guests") != 0 ? if_nametoindex(network) : 0);
	return t->config && t->hosts && t->names ? 0 : -ENOMEM;
}

static bool is_as_told(const struct service *s, const struct texts *t)
{
	return service_holds(s, CONF_FILE, t->config) && service_holds(s, DEVICE_FILE, t->device) &&
	       child_find(s->rundir, s->name, NULL) == 0;
}

static bool holds_entries(const struct service *s, const struct texts *t)
{
	return service_holds(s, HOSTS_FILE, t->hosts) && service_holds(s, NAMES_FILE, t->names);
}

static bool is_whole(const struct service *s, const char *network, const json_t *doc)
{
	struct texts t;
	bool is_whole = !make_texts(s, network, doc, &t) && is_as_told(s, &t) &&
			holds_entries(s, &t);

	texts_free(&t);
	return is_whole;
}

static int wait_until_listens(const struct service *s, char *why)
{
	struct timespec nap = { .tv_nsec = POLL_NS };
	uint64_t end = clock_ms() + START_MS;
	char words[VS_TEXT_LEN];

	while (!service_has(s, PID_FILE)) {
		if (child_find(s->rundir, s->name, NULL)) {
			service_last_words(s, words, sizeof(words));
			snprintf(why, VS_TEXT_LEN, "dnsmasq does not start: %.90s", words);
			return -EIO;
		}
		if (clock_ms() > end) {
			snprintf(why, VS_TEXT_LEN, "dnsmasq has not begun to listen in %d s",
				 START_MS / 1000);
			return -ETIMEDOUT;
		}
		nanosleep(&nap, NULL);
	}
	return 0;
}

static int start(const struct service *s, const struct texts *t, char *why)
{
	char program[PATH_MAX], conf[PATH_MAX];
	const char *const argv[] = { program, "--keep-in-foreground", conf, NULL };
	const struct child_spec spec = { .rundir = s->rundir, .name = s->name, .argv = argv };
	int rc;

	if (!service_find_program("dnsmasq", program)) {
		snprintf(why, VS_TEXT_LEN, "dnsmasq is not installed: apt install dnsmasq-base");
		return -ENOENT;
	}
	snprintf(conf, sizeof(conf), "--conf-file=%.3900s/" CONF_FILE, s->dir);
	rc = child_stop(s->rundir, s->name, STOP_MS);
	if (!rc)
		rc = service_write(s, CONF_FILE, t->config);
	if (!rc)
		rc = service_write(s, DEVICE_FILE, t->device);
	service_unlink(s, PID_FILE);
	if (!rc)
		rc = child_start(&spec, NULL);
	if (!rc)
		return wait_until_listens(s, why);
	snprintf(why, VS_TEXT_LEN, "cannot start dnsmasq: %s", strerror(-rc));
	return rc;
}

static int set(const struct service *s, const char *network, const json_t *doc, char *why)
{
	struct texts t;
	bool is_changed, is_running;
	int rc = make_texts(s, network, doc, &t);

	if (!rc)
		rc = service_make_dirs(s, inner_dirs, 2);
	is_running = !rc && is_as_told(s, &t);
	is_changed = !rc && !holds_entries(s, &t);
	if (is_changed)
		rc = service_write(s, HOSTS_FILE, t.hosts);
	if (!rc && is_changed)
		rc = service_write(s, NAMES_FILE, t.names);
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot write dnsmasq's files: %s", strerror(-rc));
	else if (is_running && is_changed)
		/* What is new it has seen; what is no more it forgets by this. Leases stay. */
		rc = child_signal(s->rundir, s->name, SIGHUP);
	else if (!is_running)
		rc = start(s, &t, why);
	if (!rc)
		rc = service_write_doc(s, doc);
	texts_free(&t);
	return rc;
}

static const struct service_kind kind = {
	.name = "dnsmasq",
	.doc = VS_DOC_DNSMASQ,
	.stop_ms = STOP_MS,
	.is_as_told = is_whole,
	.set = set,
};

static int dnsmasq_get(void *ctx, const char *name, json_t **doc, char *why)
{
	(void)why;
	return service_get(&kind, ctx, name, doc);
}

static int dnsmasq_observe(void *ctx, struct vs_observed *o, char *why)
{
	(void)why;
	return service_observe(&kind, ctx, o);
}

static int dnsmasq_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	return service_apply(&kind, ctx, name, doc, why);
}

const struct vs_doc_ops dnsmasq_doc_ops = {
	.open = service_open,
	.observe = dnsmasq_observe,
	.get = dnsmasq_get,
	.apply = dnsmasq_apply,
	.close = service_close,
};
