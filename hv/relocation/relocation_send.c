/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sending side, a process a domain: it knows the domain by its number, and vifrost-hvd by its socket. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/parse.h"
#include "hv/relocation/relocation.h"

#define LIVE_FIFO_SIZE (128 << 10)

struct departure {
	struct relocation_link link;
	bool linked;
	const struct relocation_conf *conf;
	const char *rundir;
	int domid;
	json_t *config;
	bool live;
	bool suspended, committed; /* it is to be resumed on failure; and may run there */
	uint64_t suspended_ms;	   /* when */
	uint64_t bytes, down_ms;
	char why[RELOCATION_WHY];
};

static int say(struct departure *d, int rc, const char *why)
{
	snprintf(d->why, sizeof(d->why), "%s", why);
	return rc;
}

/* What the connection has come to. */
static int link_rc(struct departure *d, int rc)
{
	return rc ? say(d, rc, d->link.why) : 0;
}

static int find(struct departure *d, const char *domain)
{
	json_t *list = NULL, *first;
	uint32_t domid;
	json_t *params = parse_u32(domain, UINT16_MAX, &domid)
				 ? json_pack("{s:s}", "name", domain)
				 : json_pack("{s:i}", "domid", (int)domid);
	int rc = relocation_call(d->rundir, "domain.list", params, &list, d->why);

	first = json_array_get(list, 0);
	d->domid = (int)json_integer_value(json_object_get(first, "domid"));
	json_decref(list);
	if (!rc && !d->domid)
		rc = say(d, -EINVAL, "domain 0 is the host");
	return rc ? rc
		  : relocation_call(d->rundir, "domain.config",
				    json_pack("{s:i}", "domid", d->domid), &d->config, d->why);
}

/* "host", "host:port", "[address]:port" */
static int split(const struct departure *d, const char *text, char host[256], char port[16])
{
	const char *colon = strrchr(text, ':'), *end;
	uint32_t number;

	snprintf(port, 16, "%u", d->conf->port);
	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
	} else {
		/* One with two colons is an address of IPv6. */
		if (colon && strchr(text, ':') != colon)
			colon = NULL;
		end = colon ? colon : text + strlen(text);
	}
	if (colon && (parse_u32(colon + 1, 65535, &number) || !number))
		return -EINVAL;
	if (colon)
		snprintf(port, 16, "%u", number);
	return end == text || snprintf(host, 256, "%.*s", (int)(end - text), text) >= 256 ? -EINVAL
											  : 0;
}

static int reach(struct departure *d, const char *where)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char host[256], port[16];
	int fd = -1, rc = split(d, where, host, port);

	if (rc)
		return say(d, rc, "no host: allowed HOST, HOST:PORT, [ADDRESS]:PORT");
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc)
		return say(d, -EHOSTUNREACH, gai_strerror(rc));
	rc = -EHOSTUNREACH;
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd >= 0 && !connect(fd, a->ai_addr, a->ai_addrlen))
			break;
		rc = -errno;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd < 0)
		return say(d, rc, strerror(-rc));
	d->linked = true;
	return link_rc(d, relocation_link_open(&d->link, d->conf, fd, host));
}

static int greet(struct departure *d)
{
	int rc = relocation_send_json(&d->link,
				      json_pack("{s:s, s:i, s:O, s:o}", "magic", RELOCATION_MAGIC,
						"version", RELOCATION_VERSION, "config", d->config,
						"cpu", relocation_cpu()));

	/* A refusal is what the other end says, not that it has closed. */
	if (!rc || rc == -EPROTO || rc == -EPIPE)
		rc = relocation_recv_json(&d->link, NULL);
	return link_rc(d, rc);
}

static int refused(struct departure *d)
{
	int rc = relocation_recv_json(&d->link, NULL);

	return link_rc(d, rc ? rc : -EPROTO);
}

/* From the FIFO to the connection, until all is written, or nothing more will be. */
static int pump(struct departure *d, int fifo, struct relocation_ask *save)
{
	static uint8_t piece[RELOCATION_PIECE_MAX];
	struct pollfd p[] = { { .fd = fifo, .events = POLLIN },
			      { .fd = relocation_ask_fd(save), .events = POLLIN },
			      { .fd = d->link.fd, .events = POLLIN } };
	ssize_t n;
	int rc = 0;

	while (!rc) {
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return say(d, -errno, strerror(errno));
		/* It has nothing to say now but why it gives up. */
		if (p[2].revents)
			return refused(d);
		n = p[0].revents ? read(fifo, piece, sizeof(piece)) : -1;
		if (n > 0) {
			rc = relocation_send(&d->link, piece, (size_t)n) ? refused(d) : 0;
			d->bytes += (uint64_t)n;
		} else if (n == 0 || p[1].revents) {
			return 0;
		}
	}
	return rc;
}

/* What vifrost-hvd says of how it went. */
static void take_result(struct departure *d, const json_t *result)
{
	const json_t *round;
	size_t i;

	d->suspended_ms = (uint64_t)json_integer_value(json_object_get(result, "suspended-ms"));
	json_array_foreach (json_object_get(result, "rounds"), i, round)
		fprintf(stderr, "Round %zu: %lld pages in %lld ms%s\n", i + 1,
			(long long)json_integer_value(json_object_get(round, "pages")),
			(long long)json_integer_value(json_object_get(round, "ms")),
			i + 1 == json_array_size(json_object_get(result, "rounds")) ? ", suspended"
										    : "");
}

static int send_state(struct departure *d)
{
	struct relocation_ask *save;
	json_t *result = NULL;
	char path[PATH_MAX], why[RELOCATION_WHY];
	int fifo = relocation_fifo(d->rundir, false, path), rc, saved;

	if (fifo < 0)
		return say(d, fifo, strerror(-fifo));
	/* What it holds when the guest has suspended itself, that waits for. */
	if (d->live)
		fcntl(fifo, F_SETPIPE_SZ, LIVE_FIFO_SIZE);
	rc = relocation_ask_start(d->rundir, "domain.save",
				  json_pack("{s:i, s:s, s:b, s:b}", "domid", d->domid, "path", path,
					    "stream", 1, "live", d->live),
				  &save);
	if (rc) {
		say(d, rc, strerror(-rc));
	} else {
		rc = pump(d, fifo, save);
		/* If we read no more, the runner hears of it, and the guest goes on. */
		if (rc) {
			close(fifo);
			fifo = -1;
		}
		saved = relocation_ask_finish(save, -1, &result, why);
		d->suspended = !saved;
		if (!saved)
			take_result(d, result);
		if (!rc && saved)
			rc = say(d, saved, why);
	}
	json_decref(result);
	if (fifo >= 0)
		close(fifo);
	unlink(path);
	return rc ? rc : link_rc(d, relocation_send(&d->link, NULL, 0));
}

static int commit(struct departure *d)
{
	int rc = link_rc(d, relocation_recv_json(&d->link, NULL));

	if (rc)
		return rc;
	d->committed = true;
	rc = relocation_send_json(&d->link, json_object());
	if (!rc)
		rc = relocation_recv_json(&d->link, NULL);
	/* It says itself that it does not run there. */
	if (rc == -EREMOTEIO)
		d->committed = false;
	d->down_ms = clock_ms() - d->suspended_ms;
	if (rc)
		return link_rc(d, rc);
	/*
	 * Giving back what it had here takes a processor, which may be one that the guest needs there: both hosts may be
	 * guests of one machine. Who interrupts us would have it stay here for ever.
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	relocation_wait(&d->link, 2 * RELOCATION_SETTLE_MS);
	return relocation_call(d->rundir, "domain.destroy", json_pack("{s:i}", "domid", d->domid),
			       NULL, d->why);
}

static void roll_back(struct departure *d)
{
	char why[RELOCATION_WHY];

	if (d->committed) {
		fprintf(stderr,
			"vxl: domain %d stays suspended here: whether it runs there is unknown; look, then "
			"vxl destroy %d, or vxl resume %d\n",
			d->domid, d->domid, d->domid);
		return;
	}
	if (d->suspended && relocation_call(d->rundir, "domain.resume",
					    json_pack("{s:i}", "domid", d->domid), NULL, why))
		fprintf(stderr, "vxl: domain %d cannot go on: %s\n", d->domid, why);
	else if (d->domid)
		fprintf(stderr, "vxl: domain %d runs on here\n", d->domid);
}

int relocation_send_domain(const char *rundir, const struct relocation_conf *conf,
			   const char *domain, const char *host, bool live)
{
	struct departure d = { .conf = conf, .rundir = rundir, .live = live };
	uint64_t start = clock_ms();
	int rc;

	signal(SIGPIPE, SIG_IGN);
	rc = find(&d, domain);
	if (!rc)
		rc = reach(&d, host);
	if (!rc)
		rc = greet(&d);
	if (!rc)
		rc = send_state(&d);
	if (!rc)
		rc = commit(&d);
	if (rc) {
		fprintf(stderr, "vxl: migration to %s failed: %s\n", host, d.why);
		roll_back(&d);
	} else {
		fprintf(stderr,
			"Migration successful: %llu MiB in %llu ms, of which it stood still for %llu\n",
			(unsigned long long)(d.bytes >> 20),
			(unsigned long long)(clock_ms() - start), (unsigned long long)d.down_ms);
	}
	if (d.linked)
		relocation_link_close(&d.link);
	json_decref(d.config);
	return rc ? 1 : CLI_OK;
}
