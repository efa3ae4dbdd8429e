/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/netback.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "netback/kernel_driver.h"
#include "netback/vif.h"

static void on_alert(void *arg, uint32_t events)
{
	struct netback *nb = arg;
	struct list *l, *next;
	uint64_t count;

	(void)events;
	if (read(nb->alert_fd, &count, sizeof(count)) < 0)
		return;
	list_for_each_safe (&nb->xb.all, l, next)
		nb_vif_check_queues(list_entry(l, struct nb_vif, dev.all));
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
			xb_mark_all(&nb->xb);
		else if (event == NB_KERNEL_DEVICE)
			vif = nb_vif_find(nb, domid, devid);
		if (vif)
			xb_mark(&vif->dev);
	}
	xb_run(&nb->xb);
}

/* Without it, a driver loaded late is only noticed by what it writes. */
static int watch_kernel(struct netback *nb, struct loop *loop)
{
	int rc;

	if (!nb->config.sysfs || !loop)
		return 0;
	if (!nb_kernel_loaded(nb->config.sysfs))
		log_notice(
			"xen-netback is not loaded. Loaded later, it would close vifs in service: "
			"load it first, or 'blacklist xen-netback' in /etc/modprobe.d");
	rc = nb_kernel_watch(&nb->kernel_fd);
	if (!rc)
		rc = loop_fd_add(loop, &nb->kernel_watcher, nb->kernel_fd, EPOLLIN, on_kernel, nb);
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
	nb->kernel_fd = -1;
	nb->alert_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = nb->alert_fd < 0 ? -errno : start_workers(nb);
	if (!rc && loop)
		rc = loop_fd_add(loop, &nb->alert_watcher, nb->alert_fd, EPOLLIN, on_alert, nb);
	if (!rc)
		rc = watch_kernel(nb, loop);
	if (!rc)
		rc = xb_start(&nb->xb, &nb_vif_class, config->hv, loop);
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
	xb_stop(&nb->xb);
	while (nb->nr_workers)
		nb_worker_destroy(nb->workers[--nb->nr_workers]);
	loop_fd_del(&nb->alert_watcher);
	loop_fd_del(&nb->kernel_watcher);
	if (nb->kernel_fd >= 0)
		close(nb->kernel_fd);
	if (nb->alert_fd >= 0)
		close(nb->alert_fd);
	free(nb);
}

void netback_turn(struct netback *nb)
{
	unsigned int i;

	xb_run(&nb->xb);
	for (i = 0; !nb->config.nr_workers && i < 100 && nb_worker_turn(nb->workers[0], 0); i++)
		;
	on_alert(nb, 0);
	xb_run(&nb->xb);
}
