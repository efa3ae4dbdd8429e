/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A toolstack for tests, on Xen and on the core, that does nothing but vifs, and fast:
 *
 *	xen-vif-cycle attach DOMID DEVID	both areas, as libxl writes them, in one transaction
 *	xen-vif-cycle detach DOMID DEVID	online=0 and state=5; the areas stay
 *	xen-vif-cycle cycle DOMID COUNT		attach, both sides Connected, detach, both Closed, areas
 *						removed; COUNT times, FLIGHT at once
 *	xen-vif-cycle play DOMID COUNT PORT	as cycle, playing the frontend of a domain of xen-domain
 *						too: references 0 and 1, one event channel; one at once
 *
 * A guest that has not yet looked at a removal must not find a new vif of that number, so numbers are
 * used in turn: 100 to 100 + NUMBERS - 1.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xen/io/xenbus.h>

#include "base/parse.h"
#include "base/rundir.h"
#include "hv/store.h"

#define DOMID_LAST 0x7fefu
#define FIRST	   100u
#define NUMBERS	   64u
#define FLIGHT	   4u
#define STEP_MS	   15000 /* without any change that we wait for */
#define RETRIES	   100

struct cycle {
	struct hv_store *s;
	uint16_t domid;
	uint32_t port; /* 0: the frontend is someone else's */
	unsigned int count, flight, begun, done;
	enum { IDLE, ATTACHED, DETACHED } at[NUMBERS];
};

static void area(char path[96], bool frontend, uint16_t domid, uint32_t devid)
{
	snprintf(path, 96,
		 frontend ? "/local/domain/%u/device/vif/%u" : "/local/domain/0/backend/vif/%u/%u",
		 domid, devid);
}

/* @pairs: key, value, ..., NULL. The folder is made first, so that its keys have its owner. */
static int write_area(struct hv_store *s, uint32_t tx, const char *dir, uint16_t owner,
		      uint16_t reader, const char *const *pairs)
{
	const struct hv_store_perm perms[2] = { { .domid = owner },
						{ .domid = reader, .read = true } };
	char path[128];
	int rc = hv_store_mkdir(s, tx, dir);

	if (!rc)
		rc = hv_store_set_perms(s, tx, dir, perms, 2);
	for (; !rc && *pairs; pairs += 2) {
		snprintf(path, sizeof(path), "%s/%s", dir, pairs[0]);
		rc = hv_store_write(s, tx, path, pairs[1], strlen(pairs[1]));
	}
	return rc;
}

static int attach_in(struct hv_store *s, uint32_t tx, uint16_t domid, uint32_t devid)
{
	char front[96], back[96], mac[32], dom[8], dev[12];
	int rc;

	area(front, true, domid, devid);
	area(back, false, domid, devid);
	snprintf(mac, sizeof(mac), "00:16:3e:01:%02x:%02x", devid >> 8 & 0xff, devid & 0xff);
	snprintf(dom, sizeof(dom), "%u", domid);
	snprintf(dev, sizeof(dev), "%u", devid);
	rc = write_area(s, tx, front, domid, 0,
			(const char *const[]){ "backend", back, "backend-id", "0", "state", "1",
					       "handle", dev, "mac", mac, "mtu", "1500", NULL });
	if (rc)
		return rc;
	return write_area(s, tx, back, 0, domid,
			  (const char *const[]){ "frontend", front, "frontend-id", dom, "online",
						 "1", "state", "1", "handle", dev, "mac", mac,
						 "bridge", "xenbr0", "script", "/bin/true", "type",
						 "vif", NULL });
}

static int detach_in(struct hv_store *s, uint32_t tx, uint16_t domid, uint32_t devid)
{
	char back[96], path[128];
	int rc;

	area(back, false, domid, devid);
	snprintf(path, sizeof(path), "%s/online", back);
	rc = hv_store_write(s, tx, path, "0", 1);
	snprintf(path, sizeof(path), "%s/state", back);
	return rc ? rc : hv_store_write(s, tx, path, "5", 1);
}

static int remove_in(struct hv_store *s, uint32_t tx, uint16_t domid, uint32_t devid)
{
	char path[96];
	int rc;

	area(path, true, domid, devid);
	rc = hv_store_rm(s, tx, path);
	area(path, false, domid, devid);
	return rc ? rc : hv_store_rm(s, tx, path);
}

typedef int (*step)(struct hv_store *s, uint32_t tx, uint16_t domid, uint32_t devid);

static int in_transaction(struct hv_store *s, step do_it, uint16_t domid, uint32_t devid)
{
	int rc = -EAGAIN;

	for (int i = 0; i < RETRIES && rc == -EAGAIN; i++) {
		uint32_t tx;

		rc = hv_store_transaction_start(s, &tx);
		if (rc)
			return rc;
		rc = do_it(s, tx, domid, devid);
		if (rc)
			hv_store_transaction_end(s, tx, false);
		else
			rc = hv_store_transaction_end(s, tx, true);
	}
	return rc;
}

static uint32_t state_of(struct cycle *c, bool frontend, uint32_t devid)
{
	char dir[96], path[128];
	uint32_t state;

	area(dir, frontend, c->domid, devid);
	snprintf(path, sizeof(path), "%s/state", dir);
	return hv_store_read_u32(c->s, 0, path, XenbusStateReconfigured, &state) ? 0 : state;
}

static int begin_next(struct cycle *c)
{
	unsigned int n = c->begun % NUMBERS;

	if (c->begun == c->count || c->begun - c->done >= c->flight || c->at[n] != IDLE)
		return 0;
	c->begun++;
	c->at[n] = ATTACHED;
	return in_transaction(c->s, attach_in, c->domid, FIRST + n);
}

static int publish(struct cycle *c, uint32_t devid, const char *const *pairs)
{
	char dir[96], path[128];
	int rc = 0;

	area(dir, true, c->domid, devid);
	for (; !rc && *pairs; pairs += 2) {
		snprintf(path, sizeof(path), "%s/%s", dir, pairs[0]);
		rc = hv_store_write(c->s, 0, path, pairs[1], strlen(pairs[1]));
	}
	return rc;
}

/* The frontend's part. */
static int play(struct cycle *c, uint32_t devid, uint32_t back, uint32_t front)
{
	char port[12];

	snprintf(port, sizeof(port), "%u", c->port);
	if (back == XenbusStateInitWait && front == XenbusStateInitialising)
		return publish(c, devid,
			       (const char *const[]){ "tx-ring-ref", "0", "rx-ring-ref", "1",
						      "event-channel", port, "request-rx-copy", "1",
						      "state", "4", NULL });
	if (back >= XenbusStateClosing && front != XenbusStateClosed)
		return publish(c, devid, (const char *const[]){ "state", "6", NULL });
	return 0;
}

/* What the states of a vif of ours ask for. Return: 1 when it went on. */
static int advance(struct cycle *c, uint32_t devid)
{
	unsigned int n = devid - FIRST;
	uint32_t back, front;
	int rc = 0;

	if (n >= NUMBERS || c->at[n] == IDLE)
		return 0;
	back = state_of(c, false, devid);
	front = state_of(c, true, devid);
	if (c->at[n] == ATTACHED && back == XenbusStateConnected && front == back) {
		c->at[n] = DETACHED;
		rc = in_transaction(c->s, detach_in, c->domid, devid);
	} else if (c->at[n] == DETACHED && back == XenbusStateClosed && front == back) {
		c->at[n] = IDLE;
		c->done++;
		rc = in_transaction(c->s, remove_in, c->domid, devid);
		for (unsigned int i = 0; !rc && i < c->flight; i++)
			rc = begin_next(c);
	} else {
		return c->port ? play(c, devid, back, front) : 0;
	}
	return rc ? rc : 1;
}

/* Of the path of a state the number behind "vif/DOMID/" or "device/vif/"; 0: none. */
static uint32_t devid_of(const char *path)
{
	const char *p = strstr(path, "/vif/"), *last = strrchr(path, '/');
	unsigned int a, b = 0;

	if (!p || strcmp(last, "/state") != 0)
		return 0;
	if (strstr(path, "/backend/"))
		return sscanf(p, "/vif/%5u/%5u", &a, &b) == 2 ? b : 0;
	return sscanf(p, "/vif/%5u", &a) == 1 ? a : 0;
}

static int complain(struct cycle *c)
{
	for (unsigned int n = 0; n < NUMBERS; n++)
		if (c->at[n] != IDLE)
			fprintf(stderr, "vif%u.%u, %s: backend in state %u, frontend in %u\n",
				c->domid, FIRST + n, c->at[n] == ATTACHED ? "attached" : "detached",
				state_of(c, false, FIRST + n), state_of(c, true, FIRST + n));
	return -ETIMEDOUT;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int cycle(struct hv_store *s, uint16_t domid, uint32_t count, uint32_t port)
{
	struct cycle c = { .s = s, .domid = domid, .port = port, .count = count };
	int64_t began = now_ms(), last = began;
	char *path, *token, dir[64];
	int rc;

	c.flight = port ? 1 : FLIGHT;
	snprintf(dir, sizeof(dir), "/local/domain/%u/device/vif", domid);
	rc = hv_store_watch(s, dir, "f");
	snprintf(dir, sizeof(dir), "/local/domain/0/backend/vif/%u", domid);
	if (!rc)
		rc = hv_store_watch(s, dir, "b");
	for (unsigned int i = 0; !rc && i < c.flight; i++)
		rc = begin_next(&c);
	while (!rc && c.done < count) {
		struct pollfd p = { .fd = hv_store_fd(s), .events = POLLIN };

		rc = hv_store_next_event(s, &path, &token);
		if (!rc) {
			rc = advance(&c, devid_of(path));
			free(path);
			last = rc > 0 ? now_ms() : last;
			rc = rc > 0 ? 0 : rc;
		} else if (rc == -EAGAIN) {
			rc = now_ms() - last > STEP_MS ? complain(&c) : 0;
			poll(&p, 1, 1000);
		}
	}
	if (!rc)
		printf("{\"cycles\": %u, \"per-second\": %.1f}\n", count,
		       count * 1000.0 / (double)(now_ms() - began + 1));
	return rc;
}

int main(int argc, char **argv)
{
	uint32_t domid, number, port = 0;
	struct hv_store *s;
	char why[HV_WHY_MAX], rundir[RUNDIR_MAX];
	int rc;

	if (argc < 4 || parse_u32(argv[2], DOMID_LAST, &domid) ||
	    parse_u32(argv[3], 1000000, &number) ||
	    (argc > 4 && parse_u32(argv[4], UINT32_MAX, &port))) {
		fprintf(stderr, "usage: %s attach|detach|cycle|play DOMID DEVID|COUNT [PORT]\n",
			argv[0]);
		return 64;
	}
	rc = rundir_resolve(NULL, rundir);
	if (rc) {
		fprintf(stderr, "VIFROST_RUN_DIR is no folder's name\n");
		return 64;
	}
	rc = hv_store_open(rundir, &s, why);
	if (rc) {
		fprintf(stderr, "%s\n", why);
		return 69;
	}
	if (!strcmp(argv[1], "cycle") || !strcmp(argv[1], "play"))
		rc = cycle(s, (uint16_t)domid, number, port);
	else
		rc = in_transaction(s, strcmp(argv[1], "attach") ? detach_in : attach_in,
				    (uint16_t)domid, number);
	if (rc)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-rc));
	hv_store_close(s);
	return rc ? 1 : 0;
}
