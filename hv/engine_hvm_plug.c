/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is plugged into a running machine by a few calls of QMP, and taken out when the guest lets go of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/engine_hvm.h"

void hvm_ignore(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

/* What it stood on, on the host. */
static void clear_away(struct hvm_domain *h, const char *id)
{
	if (!qmp_is_open(h->qmp))
		return;
	if (!strncmp(id, "nic", 3))
		hvm_cut_nic(h, id);
	else if (!strncmp(id, "disk-", 5))
		hvm_close_disk(h, id);
}

int hvm_batch_new(struct engine *e, uint16_t domid, void (*done)(void *arg, const char *error),
		  void *arg, struct hvm_batch **b_out, char why[ENGINE_WHY])
{
	struct engine_domain *d = hvm_find(e, domid);

	why[0] = '\0';
	if (!d || d->record->starting || d->record->state == ENGINE_STOPPED) {
		snprintf(why, ENGINE_WHY, "it is no running domain of type \"hvm\"");
		return -EINVAL;
	}
	*b_out = calloc(1, sizeof(**b_out));
	if (!*b_out)
		return -ENOMEM;
	**b_out = (struct hvm_batch){ .h = d->own, .done = done, .arg = arg };
	return 0;
}

static void note_answer(struct hvm_batch *b, const char *error)
{
	b->nr_calls--;
	if (error && !b->error[0])
		snprintf(b->error, sizeof(b->error), "QEMU: %.240s", error);
}

static void answered(void *arg, const json_t *result, const char *error)
{
	struct hvm_batch *b = arg;

	(void)result;
	note_answer(b, error);
	if (b->over && !b->nr_calls)
		free(b);
}

int hvm_batch_call(struct hvm_batch *b, const char *command, json_t *arguments, int fd)
{
	int rc = qmp_call(b->h->qmp, command, arguments, fd, answered, b);

	b->nr_calls += rc == 0;
	return rc;
}

static void end(struct hvm_batch *b)
{
	b->over = true;
	if (!b->nr_calls)
		free(b);
}

void hvm_batch_last(void *arg, const json_t *result, const char *error)
{
	struct hvm_batch *b = arg;

	(void)result;
	note_answer(b, error);
	if (b->error[0])
		clear_away(b->h, b->id);
	b->done(b->arg, b->error[0] ? b->error : NULL);
	end(b);
}

int hvm_batch_sent(struct hvm_batch *b, int rc, char why[ENGINE_WHY])
{
	b->nr_calls += rc == 0;
	if (rc && !why[0])
		snprintf(why, ENGINE_WHY, "QEMU cannot be told: %s", strerror(-rc));
	if (rc)
		end(b);
	return rc;
}

/* @id: NULL: a free one. */
static struct hvm_unplug *find_unplug(struct hvm_domain *h, const char *id)
{
	for (size_t i = 0; i < sizeof(h->unplugs) / sizeof(h->unplugs[0]); i++)
		if (id ? h->unplugs[i].done && !strcmp(h->unplugs[i].id, id) : !h->unplugs[i].done)
			return &h->unplugs[i];
	return NULL;
}

void hvm_take_away(struct hvm_domain *h, const char *id, const char *error)
{
	struct hvm_unplug *u = find_unplug(h, id), done;

	clear_away(h, id);
	if (!u)
		return;
	done = *u;
	u->done = NULL;
	done.done(done.arg, error);
}

void hvm_unplugged(struct hvm_domain *h, const char *device)
{
	hvm_take_away(h, device, NULL);
}

/* Asked for; it goes when the guest has let go of it. */
static void asked_to_go(void *arg, const json_t *result, const char *error)
{
	struct hvm_unplug *u = arg;
	char text[ENGINE_WHY];

	(void)result;
	if (!error || !u->done)
		return;
	snprintf(text, sizeof(text), "QEMU: %.240s", error);
	hvm_take_away(u->h, u->id, strstr(error, "not found") ? NULL : text);
}

int hvm_unplug(struct hvm_domain *h, const char *id, void (*done)(void *arg, const char *error),
	       void *arg)
{
	struct hvm_unplug *u = find_unplug(h, NULL);
	int rc;

	if (!u || find_unplug(h, id))
		return -EBUSY;
	*u = (struct hvm_unplug){ .h = h, .done = done, .arg = arg };
	snprintf(u->id, sizeof(u->id), "%s", id);
	rc = qmp_call(h->qmp, "device_del", json_pack("{s:s}", "id", id), -1, asked_to_go, u);
	if (rc)
		u->done = NULL;
	return rc;
}
