/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's network process: its vifs as the store lists them, and the thread that serves them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netback/front/eth.h"

#define VIFS	   "device/vif"
#define VIFS_TOKEN "vifs"
#define MAX_HANDLE 9999u
#define GROUPS	   "/proc/net/dev_mcast"
#define GROUPS_MS  1000 /* between looks at the multicast groups, if the backend is to filter */
#define LOOK_EVERY 64	/* rounds of moving packets between looks at everything else */

struct process {
	struct hv_guest *guest;
	struct hv_store *store;
	struct loop *loop;
	struct loop_fd store_watcher;
	struct list eths;
	int control_fd;
	const struct eth_options *options;
	struct loop_timer groups_timer;
	int groups_fd;
	char *groups_text;
	bool groups_due;
	bool store_changed;
	bool stopped;
};

static void store_event(void *arg, uint32_t events)
{
	struct process *p = arg;

	(void)events;
	p->store_changed = true;
}

static void groups_event(void *arg)
{
	struct process *p = arg;

	p->groups_due = true;
}

static void on_signal(void *arg, int signo)
{
	struct process *p = arg;

	(void)signo;
	p->stopped = true;
}

static struct eth *find(struct process *p, unsigned int handle)
{
	struct list *node;

	list_for_each (&p->eths, node) {
		struct eth *eth = list_entry(node, struct eth, node);

		if (eth->handle == handle)
			return eth;
	}
	return NULL;
}

static bool is_ours(const struct process *p, unsigned int handle)
{
	return !p->options->xen || handle == p->options->handle;
}

static void appear(struct process *p, unsigned int handle)
{
	struct eth *eth;
	int rc;

	rc = eth_create(p->guest, p->loop, p->control_fd, handle, p->options, &eth);
	if (rc == -ENOENT) /* not all of its keys are there yet: they come with another event */
		return;
	if (rc) {
		log_err("vif %u: no device for it: %s", handle, strerror(-rc));
		return;
	}
	list_append(&p->eths, &eth->node);
	log_info("%s: made", eth->name);
}

static void update_all(struct process *p)
{
	struct list *node, *next;

	list_for_each_safe (&p->eths, node, next) {
		struct eth *eth = list_entry(node, struct eth, node);
		int rc = eth_update(eth, p->control_fd);

		if (rc == -ENOENT) {
			log_info("%s: gone", eth->name);
			eth_destroy(eth);
		} else if (rc == -EAGAIN) {
			p->store_changed = true; /* others got ahead in the store: again, at once */
		} else if (rc) {
			log_warning("%s: cannot follow the store: %s", eth->name, strerror(-rc));
		}
	}
}

/* Events say only that something has changed; what is there is read anew, once for all of them. */
static int follow_store(struct process *p)
{
	char *path, *token, **names;
	unsigned int nr;
	uint32_t handle;
	int rc;

	p->store_changed = false;
	while ((rc = hv_store_next_event(p->store, &path, &token)) == 0)
		free(path);
	if (rc != -EAGAIN)
		return rc;
	rc = hv_store_directory(p->store, 0, VIFS, &names, &nr);
	if (rc && rc != -ENOENT)
		return rc;
	for (unsigned int i = 0; !rc && i < nr; i++)
		if (!parse_u32(names[i], MAX_HANDLE, &handle) && is_ours(p, handle) &&
		    !find(p, handle))
			appear(p, handle);
	if (!rc)
		free(names);
	update_all(p);
	p->groups_due = true; /* a new connection's backend knows none */
	return 0;
}

static void follow_groups(struct process *p)
{
	struct list *node;

	p->groups_due = false;
	if (p->groups_fd < 0 || eth_read_groups(p->groups_fd, p->groups_text))
		return;
	list_for_each (&p->eths, node)
		eth_follow_groups(list_entry(node, struct eth, node), p->groups_text);
}

/* Return: whether anything was done, or is to be done at once. */
static bool move_all(struct process *p, bool arm)
{
	bool busy = false;
	struct list *node;

	list_for_each (&p->eths, node) {
		struct eth *eth = list_entry(node, struct eth, node);

		for (unsigned int i = 0; i < eth->nr_queues; i++) {
			struct eth_queue *q = &eth->queues[i];

			if (!q->front)
				continue;
			busy |= arm ? eth_arm(q) : eth_move(q);
			p->store_changed |= front_queue_broken(q->front) != NULL;
		}
	}
	return busy;
}

static int serve(struct process *p)
{
	unsigned int rounds = 0;
	bool busy;
	int rc = 0;

	while (rc >= 0 && !p->stopped) {
		if (p->store_changed) {
			rc = follow_store(p);
			if (rc) {
				log_err("xenstore is lost, devices stay as they are: %s",
					strerror(-rc));
				loop_fd_del(&p->store_watcher);
			}
			rc = 0;
			continue;
		}
		if (p->groups_due)
			follow_groups(p);
		busy = move_all(p, false) || move_all(p, true) || p->store_changed;
		if (!busy)
			rc = loop_turn(p->loop, -1);
		else if (++rounds % LOOK_EVERY == 0)
			rc = loop_turn(p->loop, 0);
	}
	return rc < 0 ? rc : 0;
}

static void tell_ready(int fd)
{
	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0)
		log_warning("cannot say that the devices are there: %s", strerror(errno));
	close(fd);
}

static int watch_groups(struct process *p)
{
	int rc;

	p->groups_text = malloc(ETH_GROUPS_TEXT);
	if (!p->groups_text)
		return -ENOMEM;
	p->groups_fd = open(GROUPS, O_RDONLY | O_CLOEXEC);
	if (p->groups_fd < 0)
		return -errno;
	rc = loop_timer_add(p->loop, &p->groups_timer, groups_event, p);
	return rc ? rc : loop_timer_set(&p->groups_timer, GROUPS_MS, GROUPS_MS);
}

/* Two frontends on one device would break each other. */
static int check_driver(unsigned int handle)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/xen/devices/vif-%u/driver", handle);
	if (access(path, F_OK))
		return 0;
	log_err("the kernel's xen-netfront serves vif %u: take it away first, by "
		"'echo vif-%u > /sys/bus/xen/drivers/vif/unbind'",
		handle, handle);
	return -EBUSY;
}

static int attach_xen(struct process *p)
{
	char why[HV_WHY_MAX];
	int rc = check_driver(p->options->handle);

	if (rc)
		return rc;
	rc = hv_guest_attach_xen(&p->guest, why);
	if (rc)
		log_err("%s", why);
	return rc;
}

static int start(struct process *p, const struct eth_options *options)
{
	sigset_t signals;
	int rc;

	p->options = options;
	p->control_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->control_fd < 0)
		return -errno;
	rc = loop_create(&p->loop);
	if (rc)
		return rc;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	rc = loop_signals(p->loop, &signals, on_signal, p);
	if (rc)
		return rc;
	rc = options->xen ? attach_xen(p) : hv_guest_attach(options->hypercall_fd, &p->guest);
	if (rc)
		return rc;
	if (options->multicast_control)
		rc = watch_groups(p);
	if (rc)
		return rc;
	p->store = hv_guest_store(p->guest);
	rc = hv_store_watch(p->store, VIFS, VIFS_TOKEN);
	if (!rc)
		rc = loop_fd_add(p->loop, &p->store_watcher, hv_store_fd(p->store), EPOLLIN,
				 store_event, p);
	return rc;
}

int eth_process_run(const struct eth_options *options)
{
	struct process p = { .control_fd = -1, .groups_fd = -1 };
	struct list *node, *next;
	int rc;

	list_init(&p.eths);
	rc = start(&p, options);
	if (!rc)
		rc = eth_sandbox(options->xen);
	if (!rc)
		rc = follow_store(&p);
	if (rc)
		log_err("cannot start: %s", strerror(-rc));
	else
		tell_ready(options->ready_fd);
	if (!rc)
		rc = serve(&p);

	list_for_each_safe (&p.eths, node, next) {
		struct eth *eth = list_entry(node, struct eth, node);

		/* An ns guest ends with its network. */
		if (options->xen)
			eth_close(eth);
		eth_destroy(eth);
	}
	loop_fd_del(&p.store_watcher);
	loop_timer_del(&p.groups_timer);
	hv_guest_detach(p.guest);
	loop_destroy(p.loop);
	if (p.groups_fd >= 0)
		close(p.groups_fd);
	free(p.groups_text);
	if (p.control_fd >= 0)
		close(p.control_fd);
	return rc;
}
