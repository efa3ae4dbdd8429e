/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a vif, for its status, the log and xenstore's error node; and waiting, which is
 * wrong when it takes too long. All of it is about one vif.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "netback/vif.h"

#define HOTPLUG_MS  10000
#define FRONTEND_MS 30000

void nb_trouble(struct nb_vif *vif, const char *text)
{
	if (!strcmp(vif->reason, text))
		return;
	snprintf(vif->reason, sizeof(vif->reason), "%s", text);
	log_limited(&vif->log_limit, "%s: %s", vif->name, text);
	nb_xb_write_error(vif, text);
}

void nb_trouble_over(struct nb_vif *vif)
{
	if (!vif->reason[0])
		return;
	vif->reason[0] = '\0';
	nb_xb_write_error(vif, NULL);
}

void nb_look_again(struct nb_vif *vif, uint64_t at_ns)
{
	if (!vif->look_at_ns || at_ns < vif->look_at_ns)
		vif->look_at_ns = at_ns;
}

static enum nb_wait waits_for(const struct nb_vif *vif)
{
	if (vif->elsewhere || vif->disabled || vif->state != XenbusStateInitWait || !vif->online)
		return NB_WAIT_NONE;
	return vif->hotplug_connected ? NB_WAIT_FRONTEND : NB_WAIT_HOTPLUG;
}

static void tell_hotplug_error(struct nb_vif *vif)
{
	char error[NB_REASON_MAX - 32], text[NB_REASON_MAX];

	if (nb_xb_read_text(vif, NB_BACKEND, "hotplug-error", error, sizeof(error)))
		snprintf(error, sizeof(error), "no hotplug-error says why");
	snprintf(text, sizeof(text), "its hotplug failed: %s", error);
	nb_trouble(vif, text);
}

void nb_wait_check(struct nb_vif *vif)
{
	static const struct {
		unsigned int patience_ms;
		const char *text;
	} waits[] = {
		[NB_WAIT_HOTPLUG] = { HOTPLUG_MS, "hotplug-status is not written: is vifrostd "
						  "running, is script=vif-vifrost set?" },
		[NB_WAIT_FRONTEND] = { FRONTEND_MS, "the guest has not connected: no xen-netfront "
						    "in the guest?" },
	};
	enum nb_wait wait = waits_for(vif);
	uint64_t now = clock_ns(), patience_ms = vif->nb->config.patience_ms;

	if (wait != vif->wait) {
		/* Disabled, it has another reason by now. */
		if (vif->wait && vif->wait_told && !vif->disabled)
			nb_trouble_over(vif);
		vif->wait = wait;
		vif->wait_since_ns = now;
		vif->wait_told = false;
	}
	if (!wait)
		return;
	if (wait == NB_WAIT_HOTPLUG && vif->hotplug_failed) {
		vif->wait_told = true;
		tell_hotplug_error(vif);
		return;
	}
	if (!patience_ms)
		patience_ms = waits[wait].patience_ms;
	if (now - vif->wait_since_ns < patience_ms * 1000000) {
		nb_look_again(vif, vif->wait_since_ns + patience_ms * 1000000);
		return;
	}
	vif->wait_told = true;
	nb_trouble(vif, waits[wait].text);
}
