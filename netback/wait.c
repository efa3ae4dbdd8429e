/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for others, which is wrong when it takes too long. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "netback/vif.h"

#define HOTPLUG_MS  10000
#define FRONTEND_MS 30000

static enum nb_wait waits_for(const struct nb_vif *vif)
{
	if (vif->dev.elsewhere || vif->dev.disabled || vif->dev.state != XenbusStateInitWait ||
	    !vif->dev.online)
		return NB_WAIT_NONE;
	return vif->hotplug_connected ? NB_WAIT_FRONTEND : NB_WAIT_HOTPLUG;
}

static void tell_hotplug_error(struct nb_vif *vif)
{
	char error[XB_WHY_MAX - 32], text[XB_WHY_MAX];

	if (xb_read_text(&vif->dev, XB_BACKEND, "hotplug-error", error, sizeof(error)))
		snprintf(error, sizeof(error), "no hotplug-error says why");
	snprintf(text, sizeof(text), "its hotplug failed: %s", error);
	xb_trouble(&vif->dev, text);
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
		if (vif->wait && vif->wait_told && !vif->dev.disabled)
			xb_trouble_over(&vif->dev);
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
		xb_look_again(&vif->dev, vif->wait_since_ns + patience_ms * 1000000);
		return;
	}
	vif->wait_told = true;
	xb_trouble(&vif->dev, waits[wait].text);
}
