/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vifs that are held to their addresses, and whose addresses are leases of our own DHCP server: until there
 * is one, only its questions for it pass; then the lease is what it may send from, as long as it lasts. One
 * address a vif, the newest: no guest gets more by asking under other names.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "vswitch/dnsmasq.h"

#define SETTLE_MS  5 /* dnsmasq writes its file in pieces */
#define LINE_LEN   512
#define LEASES_MAX 65536 /* of one network: more than a range has that is of use */

struct lease {
	char network[IFNAMSIZ];
	uint8_t mac[MAC_LEN];
	uint64_t until; /* seconds since 1970; UINT64_MAX: for ever */
	struct vs_prefix address;
};

struct leases {
	struct vifrostd *d;
	struct lease *v; /* by network and MAC */
	size_t nr, capacity;
	int fd;
	struct loop_fd watcher;
	struct loop_timer timer;
};

static int compare(const void *x, const void *y)
{
	const struct lease *a = x, *b = y;
	int order = strcmp(a->network, b->network);

	return order ? order : memcmp(a->mac, b->mac, MAC_LEN);
}

static struct lease *find(const struct leases *l, const char *network, const uint8_t *mac)
{
	struct lease like = { .until = 0 };

	snprintf(like.network, sizeof(like.network), "%s", network);
	memcpy(like.mac, mac, MAC_LEN);
	return l->nr ? bsearch(&like, l->v, l->nr, sizeof(*l->v), compare) : NULL;
}

void lease_addr(struct vifrostd *d, struct vs_vif *vif)
{
	const struct lease *lease;

	if (!d->leases || !vif->by_lease || vif->nr_addrs)
		return;
	leases_watch(d, vif->network);
	lease = find(d->leases, vif->network, vif->mac);
	if (lease)
		vif->addrs[vif->nr_addrs++] = lease->address;
}

/* "EXPIRY MAC ADDRESS NAME CLIENT-ID"; of DHCPv6, behind "duid", no MAC stands there. */
static bool parse(const char *line, struct lease *out)
{
	char number[24], mac[24], address[INET_ADDRSTRLEN];

	if (sscanf(line, "%23s %23s %15s", number, mac, address) != 3 ||
	    parse_u64(number, UINT64_MAX, &out->until) || parse_mac(mac, out->mac) ||
	    inet_pton(AF_INET, address, out->address.address) != 1)
		return false;
	out->address.family = AF_INET;
	out->address.len = 32;
	if (!out->until)
		out->until = UINT64_MAX;
	return true;
}

static int add(struct leases *l, const struct lease *lease)
{
	if (l->nr == l->capacity) {
		size_t capacity = l->capacity ? l->capacity * 2 : 64;
		struct lease *v = realloc(l->v, capacity * sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->capacity = capacity;
	}
	l->v[l->nr++] = *lease;
	return 0;
}

static int read_network(struct leases *l, const char *network)
{
	struct lease lease = { .until = 0 };
	char path[PATH_MAX], line[LINE_LEN];
	int rc = 0, nr = 0;
	FILE *f;

	dnsmasq_leases_path(l->d->rundir, network, path);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	snprintf(lease.network, sizeof(lease.network), "%s", network);
	while (!rc && nr < LEASES_MAX && fgets(line, sizeof(line), f))
		if (parse(line, &lease)) {
			rc = add(l, &lease);
			nr++;
		}
	fclose(f);
	return rc;
}

/* The newest of each vif stays. */
static void sort(struct leases *l)
{
	size_t nr = 0;

	if (l->nr)
		qsort(l->v, l->nr, sizeof(*l->v), compare);
	for (size_t i = 0; i < l->nr; i++) {
		if (nr && !compare(&l->v[nr - 1], &l->v[i])) {
			if (l->v[i].until >= l->v[nr - 1].until)
				l->v[nr - 1] = l->v[i];
		} else {
			l->v[nr++] = l->v[i];
		}
	}
	l->nr = nr;
}

static void read_all(struct leases *l)
{
	int rc = 0;

	l->nr = 0;
	for (size_t i = 0; !rc && l->d->policy && i < l->d->policy->networks.nr; i++) {
		const struct pol_network *n = &l->d->policy->networks.v[i];

		if (pol_gives_leases(n))
			rc = read_network(l, n->name);
	}
	if (rc)
		log_warning("cannot read who has which lease: %s", strerror(-rc));
	sort(l);
}

void leases_changed(struct vifrostd *d)
{
	struct leases *l = d->leases;

	if (!l)
		return;
	for (size_t i = 0; d->policy && i < d->policy->networks.nr; i++)
		if (pol_gives_leases(&d->policy->networks.v[i]))
			leases_watch(d, d->policy->networks.v[i].name);
	read_all(l);
}

void leases_watch(struct vifrostd *d, const char *network)
{
	char path[PATH_MAX];

	/* Of one folder there is one watch, however often it is asked for. */
	dnsmasq_leases_path(d->rundir, network, path);
	*strrchr(path, '/') = '\0';
	if (inotify_add_watch(d->leases->fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0 &&
	    errno != ENOENT)
		log_warning("cannot watch %s: %s; vifs held to their leases get no address", path,
			    strerror(errno));
}

static void on_settled(void *arg)
{
	struct leases *l = arg;
	struct vifrostd *d = l->d;

	read_all(l);
	if (d->store && vif_update_changed(d, false))
		store_lost(d, -ECONNRESET);
}

static void on_event(void *arg, uint32_t events)
{
	struct leases *l = arg;
	char buffer[4096];

	(void)events;
	while (read(l->fd, buffer, sizeof(buffer)) > 0)
		;
	loop_timer_set(&l->timer, SETTLE_MS, 0);
}

int leases_start(struct vifrostd *d)
{
	struct leases *l = calloc(1, sizeof(*l));
	int rc = -ENOMEM;

	if (!l)
		return rc;
	l->d = d;
	l->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	rc = l->fd < 0 ? -errno : loop_fd_add(d->loop, &l->watcher, l->fd, EPOLLIN, on_event, l);
	if (!rc)
		rc = loop_timer_add(d->loop, &l->timer, on_settled, l);
	d->leases = l;
	if (rc)
		leases_stop(d);
	else
		leases_changed(d);
	return rc;
}

void leases_stop(struct vifrostd *d)
{
	struct leases *l = d->leases;

	if (!l)
		return;
	loop_timer_del(&l->timer);
	loop_fd_del(&l->watcher);
	if (l->fd >= 0)
		close(l->fd);
	free(l->v);
	free(l);
	d->leases = NULL;
}
