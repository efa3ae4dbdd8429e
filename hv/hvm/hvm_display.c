/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The emulated screen and where it is to be seen: vga=, vnc*=, sdl=, keymap=. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/hvm/hvm_args_priv.h"

#define DISPLAY_MAX 9999

static void put_card(struct hvm_builder *b)
{
	static const struct {
		const char *name, *device;
	} cards[] = { { "stdvga", "VGA" }, { "cirrus", "cirrus-vga" }, { "qxl", "qxl-vga" } };
	const char *name = hvm_text(b->config, "vga", "stdvga");

	if (hvm_flag(b, "nographic", false) || !strcmp(name, "none"))
		return;
	if (hvm_flag(b, "stdvga", false))
		name = "stdvga";
	for (size_t i = 0; i < sizeof(cards) / sizeof(*cards); i++)
		if (!strcmp(cards[i].name, name)) {
			hvm_put(b, "-device", "%s", cards[i].device);
			return;
		}
	hvm_refuse(b, "vga", "\"%.32s\": allowed: \"stdvga\", \"cirrus\", \"qxl\", \"none\"", name);
}

/* "ADDRESS", "ADDRESS:DISPLAY" or "[v6]:DISPLAY". */
static void read_listen(struct hvm_builder *b, struct hvm_vnc *vnc)
{
	const char *text = hvm_text(b->config, "vnclisten", "127.0.0.1");
	const char *colon = text[0] == '[' || strchr(text, ':') == strrchr(text, ':')
				    ? strrchr(text, ':')
				    : NULL;
	uint32_t display;
	size_t len;

	if (colon && colon[-(colon != text)] != ']' && text[0] == '[')
		colon = NULL;
	len = colon ? (size_t)(colon - text) : strlen(text);
	if (colon) {
		if (parse_u32(colon + 1, DISPLAY_MAX, &display))
			hvm_refuse(b, "vnclisten", "\"%.64s\": allowed: ADDRESS or ADDRESS:DISPLAY",
				   text);
		else
			vnc->display = display;
	}
	if (text[0] == '[' && len >= 2 && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(vnc->address))
		hvm_refuse(b, "vnclisten", "allowed: an IPv4 or IPv6 address");
	else
		memcpy(vnc->address, len ? text : "0.0.0.0", len ? len : sizeof("0.0.0.0"));
}

static void put_vnc(struct hvm_builder *b)
{
	struct hvm_vnc *vnc = &b->args->vnc;
	const char *password = hvm_text(b->config, "vncpasswd", NULL);

	read_listen(b, vnc);
	vnc->on = true;
	vnc->display = hvm_number(b, b->config, "vncdisplay", 0, DISPLAY_MAX, vnc->display);
	vnc->search = hvm_flag(b, "vncunused", true);
	vnc->password = password && *password ? password : NULL;
	/* Its protocol looks at no more than eight characters. */
	if (vnc->password && strlen(vnc->password) > 8)
		hvm_refuse(b, "vncpasswd", "allowed: at most 8 characters");
	/* It listens on a socket that it is given by QMP, as the password is. */
	hvm_put(b, "-vnc", "none%s", vnc->password ? ",password=on" : "");
}

static void put_env(struct hvm_builder *b, const char *name, const char *key, const char *fallback)
{
	const char *value = hvm_text(b->config, key, fallback);

	if (!value || b->rc)
		return;
	if (asprintf(&b->args->env[b->args->nr_env], "%s=%s", name, value) < 0)
		b->rc = -ENOMEM;
	else
		b->args->nr_env++;
}

static void put_sdl(struct hvm_builder *b)
{
	put_env(b, "DISPLAY", "display", ":0");
	put_env(b, "XAUTHORITY", "xauthority", NULL);
	hvm_put(b, "-display", "sdl,gl=%s", hvm_flag(b, "opengl", false) ? "on" : "off");
}

static void put_keymap(struct hvm_builder *b)
{
	const char *keymap = hvm_text(b->config, "keymap", NULL);

	if (!keymap)
		return;
	if (!*keymap || strlen(keymap) > 16 ||
	    strspn(keymap, "abcdefghijklmnopqrstuvwxyz-") != strlen(keymap))
		hvm_refuse(b, "keymap",
			   "\"%.32s\": allowed: a name in /usr/share/qemu/keymaps, "
			   "such as \"en-us\"",
			   keymap);
	hvm_put(b, "-k", "%s", keymap);
}

void hvm_put_display(struct hvm_builder *b)
{
	bool sdl = hvm_flag(b, "sdl", false), vnc = hvm_flag(b, "vnc", !sdl);

	put_card(b);
	put_keymap(b);
	if (hvm_flag(b, "nographic", false))
		sdl = vnc = false;
	if (sdl)
		put_sdl(b);
	if (vnc)
		put_vnc(b);
	if (!sdl && !vnc)
		hvm_put(b, "-display", "none");
}
