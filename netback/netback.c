/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/netback.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "netback/kernel_driver.h"
#include "netback/vif.h"

#define PREPARE_MS 20 /* after a vif came, in case another follows */

static void on_alert(void *arg, uint32_t events)
{
	struct netback *nb = arg;
	struct list *l, *next;
	uint64_t count;

	(void)events;
	if (read(nb->alert_fd, &count, sizeof(count)) < 0)
		return;
	list_for_each_safe (&nb->all, l, next)
		nb_vif_check_queues(list_entry(l, struct nb_vif, all));
}

/* The store again, after vifrost-hvd was restarted. */
static void on_retry(void *arg)
{
	struct netback *nb = arg;
	uint16_t domid;

	if (nb->hv->open_store(nb->hv))
		return;
	loop_timer_set(&nb->retry, 0, 0);
	/* Any call makes the seam take up its event channels with the new server. */
	nb->hv->domain->list(nb->hv, &domid, 1);
	log_notice("connected to xenstore again");
	if (nb_xb_start(nb)) {
		loop_fd_del(&nb->store_watcher);
		hv_store_close(nb->hv->store);
		nb->hv->store = NULL;
		loop_timer_set(&nb->retry, PREPARE_MS, PREPARE_MS);
	}
}

static void on_look(void *arg)
{
	nb_xb_run(arg);
}

static void on_kernel(void *arg, uint32_t events)
{
	struct netback *nb = arg;
	enum nb_kernel_event event;
	uint16_t domid = 0;
	uint32_t devid = 0;

	(void)events;
	while ((event = nb_kernel_next(nb->kernel_fd, &domid, &devid)) != NB_KERNEL_NONE) {
		struct nb_vif *vif = NULL;

		if (event == NB_KERNEL_DRIVER)
			nb_xb_mark_all(nb);
		else if (event == NB_KERNEL_DEVICE)
			vif = nb_xb_find(nb, domid, devid);
		if (vif)
			nb_xb_mark(vif);
	}
	nb_xb_run(nb);
}

/* Without it, a driver loaded late is only noticed by what it writes. */
static int watch_kernel(struct netback *nb)
{
	int rc;

	if (!nb->config.sysfs || !nb->loop)
		return 0;
	if (!nb_kernel_loaded(nb->config.sysfs))
		log_notice(
			"xen-netback is not loaded. Loaded later, it would close vifs in service: "
			"load it first, or 'blacklist xen-netback' in /etc/modprobe.d");
	rc = nb_kernel_watch(&nb->kernel_fd);
	if (!rc)
		rc = loop_fd_add(nb->loop, &nb->kernel_watcher, nb->kernel_fd, EPOLLIN, on_kernel,
				 nb);
	return rc;
}

static int start_workers(struct netback *nb)
{
	unsigned int nr = nb->config.nr_workers ? nb->config.nr_workers : 1;
	int rc = 0;

	while (nb->nr_workers < nr && !rc) {
		rc = nb_worker_create(nb->config.nr_workers, &nb->workers[nb->nr_workers]);
		nb->nr_workers += !rc;
	}
	return rc;
}

int netback_create(const struct netback_config *config, struct loop *loop, struct netback **nb_out)
{
	struct netback *nb = calloc(1, sizeof(*nb));
	int rc;

	*nb_out = NULL;
	if (!nb)
		return -ENOMEM;
	nb->config = *config;
	nb->hv = config->hv;
	nb->loop = loop;
	list_init(&nb->all);
	list_init(&nb->dirty);
	htab_init(&nb->vifs);
	nb->kernel_fd = -1;
	nb->alert_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = nb->alert_fd < 0 ? -errno : start_workers(nb);
	if (!rc && loop)
		rc = loop_fd_add(loop, &nb->alert_watcher, nb->alert_fd, EPOLLIN, on_alert, nb);
	if (!rc && loop)
		rc = loop_timer_add(loop, &nb->retry, on_retry, nb);
	if (!rc && loop)
		rc = loop_timer_add(loop, &nb->look, on_look, nb);
	if (!rc)
		rc = watch_kernel(nb);
	if (!rc)
		rc = nb_xb_start(nb);
	if (rc) {
		netback_destroy(nb);
		nb = NULL;
	}
	*nb_out = nb;
	return rc;
}

void netback_hand_over(struct netback *nb)
{
	nb->is_handed_over = nb->config.bag != NULL;
}

void netback_destroy(struct netback *nb)
{
	if (!nb)
		return;
	nb_xb_stop(nb);
	while (!list_empty(&nb->all))
		nb_vif_destroy(list_entry(nb->all.next, struct nb_vif, all), false);
	while (nb->nr_workers)
		nb_worker_destroy(nb->workers[--nb->nr_workers]);
	loop_timer_del(&nb->retry);
	loop_timer_del(&nb->look);
	loop_fd_del(&nb->alert_watcher);
	loop_fd_del(&nb->kernel_watcher);
	if (nb->kernel_fd >= 0)
		close(nb->kernel_fd);
	if (nb->alert_fd >= 0)
		close(nb->alert_fd);
	htab_fini(&nb->vifs);
	free(nb);
}

void netback_turn(struct netback *nb)
{
	unsigned int i;

	nb_xb_run(nb);
	for (i = 0; !nb->config.nr_workers && i < 100 && nb_worker_turn(nb->workers[0], 0); i++)
		;
	on_alert(nb, 0);
	nb_xb_run(nb);
}
