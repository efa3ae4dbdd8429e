/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/engine_kvm_device.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct waiter {
	struct list node;
	void (*ready)(void *arg, int rc);
	void *arg;
};

static void tell(struct kvm_device *k, int rc)
{
	struct list *n, *next, told;

	/* Who is told may ask for more. */
	list_init(&told);
	list_for_each_safe (&k->waiters, n, next) {
		list_remove(n);
		list_append(&told, n);
	}
	list_for_each_safe (&told, n, next) {
		struct waiter *w = list_entry(n, struct waiter, node);

		list_remove(n);
		w->ready(w->arg, rc);
		free(w);
	}
}

static void start(struct kvm_device *k)
{
	k->result = kvm_probe_start(&k->probe, k->path, k->why);
	/* What cannot be opened may be there the next time. */
	k->probing = k->result == 0;
}

static void finish(struct kvm_device *k, int timeout_ms)
{
	loop_fd_del(&k->answered);
	k->result = kvm_probe_end(&k->probe, timeout_ms, k->why);
	k->probing = false;
	k->known = true;
}

static void timer(void *arg)
{
	struct kvm_device *k = arg;

	if (k->probing)
		finish(k, 0);
	tell(k, 0);
	/* It may be told when the host has less to do. */
	if (k->result == -EAGAIN)
		k->known = false;
}

static void answered(void *arg, uint32_t events)
{
	struct kvm_device *k = arg;

	(void)events;
	finish(k, 0);
	loop_timer_set(&k->timer, 0, 0);
	timer(k);
}

int kvm_device_init(struct kvm_device *k, struct loop *loop, const char *path)
{
	*k = (struct kvm_device){ .loop = loop, .path = path, .probe.fd = -1 };
	list_init(&k->waiters);
	return loop_timer_add(loop, &k->timer, timer, k);
}

void kvm_device_fini(struct kvm_device *k)
{
	loop_fd_del(&k->answered);
	loop_timer_del(&k->timer);
	kvm_probe_drop(&k->probe);
	tell(k, -ECANCELED);
}

bool kvm_device_await(struct kvm_device *k, void (*ready)(void *arg, int rc), void *arg)
{
	struct waiter *w;

	if (!k->known && !k->probing)
		start(k);
	if (!k->probing)
		return false;
	w = malloc(sizeof(*w));
	if (!w)
		return false;
	if (!k->answered.loop &&
	    (loop_fd_add(k->loop, &k->answered, k->probe.fd, EPOLLIN, answered, k) < 0 ||
	     loop_timer_set(&k->timer, KVM_PROBE_MS, 0) < 0)) {
		loop_fd_del(&k->answered);
		free(w);
		return false;
	}
	*w = (struct waiter){ .ready = ready, .arg = arg };
	list_append(&k->waiters, &w->node);
	return true;
}

int kvm_device_check(struct kvm_device *k, char why[KVM_PROBE_WHY])
{
	if (!k->known && !k->probing)
		start(k);
	if (k->probing) {
		finish(k, KVM_PROBE_MS);
		/* Those who wait too. */
		loop_timer_set(&k->timer, 1, 0);
	}
	snprintf(why, KVM_PROBE_WHY, "%s", k->why);
	return k->result;
}

void kvm_device_works(struct kvm_device *k)
{
	if (!k->probing)
		k->known = true;
}
