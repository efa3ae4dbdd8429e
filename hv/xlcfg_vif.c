/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vif=[...] entries, after xl-network-configuration(5). */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/xlcfg.h"
#include "hv/xlcfg_priv.h"

#define IFNAME_LEN_MAX	      15
#define RATE_INTERVAL_DEFAULT 50000 /* microseconds */

enum vif_key_type {
	VIF_MAC,
	VIF_TEXT,
	VIF_IFNAME,
	VIF_NUMBER,
	VIF_RATE,
	VIF_KIND,
	VIF_BACKEND,
	VIF_IGNORED
};

static const struct vif_key {
	const char *name;
	enum vif_key_type type;
	uint32_t min, max;
	const char *member; /* in the JSON, when it is not the name */
} vif_keys[] = {
	{ "mac", VIF_MAC, 0, 0, NULL },
	{ "bridge", VIF_TEXT, 1, 63, NULL },
	{ "script", VIF_TEXT, 1, 255, NULL },
	{ "type", VIF_KIND, 0, 0, NULL },
	{ "model", VIF_TEXT, 1, 63, NULL },
	{ "vifname", VIF_IFNAME, 1, IFNAME_LEN_MAX, NULL },
	{ "ip", VIF_TEXT, 1, 255, NULL },
	{ "rate", VIF_RATE, 0, 0, NULL },
	{ "mtu", VIF_NUMBER, 68, 65535, NULL },
	{ "devid", VIF_NUMBER, 0, XLCFG_VIFS_MAX - 1, NULL },
	{ "backend", VIF_BACKEND, 0, 0, NULL },
	{ "gatewaydev", VIF_TEXT, 1, IFNAME_LEN_MAX, NULL },
	{ "netdev", VIF_TEXT, 1, IFNAME_LEN_MAX, "gatewaydev" },
	{ "vlan", VIF_IGNORED, 0, 0, NULL },
	{ "accel", VIF_IGNORED, 0, 0, NULL },
	{ "trusted", VIF_IGNORED, 0, 0, NULL },
	{ "untrusted", VIF_IGNORED, 0, 0, NULL },
	{ "forwarddev", VIF_IGNORED, 0, 0, NULL },
};

#define NR_VIF_KEYS (sizeof(vif_keys) / sizeof(*vif_keys))

/* One keyword of a specification, copied out of it. */
struct vif_word {
	const struct diag_place *place; /* of the specification */
	size_t key_offset, value_offset;
	char *key, *value; /* value NULL: a flag */
	struct diags *diags;
};

static void word_error(const struct vif_word *w, bool at_value, const char *hint, const char *fmt,
		       ...) __attribute__((format(printf, 4, 5)));

static void word_error(const struct vif_word *w, bool at_value, const char *hint, const char *fmt,
		       ...)
{
	struct diag_place place = *w->place;
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	place.column += (int)(at_value && w->value ? w->value_offset : w->key_offset);
	diag_add(w->diags, DIAG_ERROR, "XL0301", &place, hint, "%s", message);
}

/* Return: 0; -EINVAL. "RATE[GMK]{B,b}/s[@INTERVAL[us|ms|s]]" into bytes per interval. */
static int parse_rate(const char *text, uint64_t *bytes_out, uint64_t *usecs_out)
{
	static const struct {
		const char *suffix;
		uint64_t usecs;
	} units[] = { { "", 1 }, { "us", 1 }, { "ms", 1000 }, { "s", 1000000 } };
	uint64_t rate, usecs = RATE_INTERVAL_DEFAULT, scale = 1, product;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	rate = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end == 'K' || *end == 'M' || *end == 'G') {
		scale = *end == 'K' ? 1000 : *end == 'M' ? 1000000 : 1000000000;
		end++;
	}
	if ((*end != 'B' && *end != 'b') || end[1] != '/' || end[2] != 's')
		return -EINVAL;
	if (__builtin_mul_overflow(rate, scale, &rate))
		return -EINVAL;
	if (*end == 'b')
		rate /= 8;
	end += 3;
	if (*end == '@') {
		size_t i = 0;

		if (!isdigit((unsigned char)end[1]))
			return -EINVAL;
		usecs = strtoull(end + 1, &end, 10);
		while (i < 4 && strcmp(end, units[i].suffix))
			i++;
		if (errno || i == 4 || __builtin_mul_overflow(usecs, units[i].usecs, &usecs))
			return -EINVAL;
	} else if (*end) {
		return -EINVAL;
	}
	if (!rate || !usecs || usecs > UINT32_MAX || __builtin_mul_overflow(rate, usecs, &product))
		return -EINVAL;
	*bytes_out = product / 1000000;
	*usecs_out = usecs;
	return *bytes_out && *bytes_out <= UINT32_MAX ? 0 : -EINVAL;
}

static bool clean_text(const char *text, const char *refused)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f || strchr(refused, *text))
			return false;
	return true;
}

static json_t *value_mac(const struct vif_key *key, const struct vif_word *w)
{
	uint8_t mac[MAC_LEN];
	char text[MAC_TEXT_LEN];

	(void)key;
	if (parse_mac(w->value, mac)) {
		word_error(w, true, "allowed: six pairs of hexadecimal digits, 00:16:3e:12:34:56",
			   "%s: '%.64s' is not a MAC address", w->key, w->value);
		return NULL;
	}
	if (mac[0] & 1) {
		word_error(w, true, "allowed: an even first byte",
			   "%s: %.64s is a group address, not one interface's", w->key, w->value);
		return NULL;
	}
	format_mac(mac, text);
	return json_string(text);
}

static json_t *value_text(const struct vif_key *key, const struct vif_word *w)
{
	bool ifname = key->type == VIF_IFNAME;
	size_t len = strlen(w->value);
	json_t *value = NULL;
	char hint[96];

	if (len >= key->min && len <= key->max && clean_text(w->value, ifname ? "/ :" : ""))
		value = json_string(w->value);
	if (!value) {
		snprintf(hint, sizeof(hint), "allowed: %u to %u printable characters%s", key->min,
			 key->max, ifname ? " without '/', ':' and blanks" : "");
		word_error(w, true, hint, "%s: '%.64s' cannot be used", w->key, w->value);
	}
	return value;
}

static json_t *value_number(const struct vif_key *key, const struct vif_word *w)
{
	uint32_t value;
	char hint[64];

	if (!parse_u32(w->value, key->max, &value) && value >= key->min)
		return json_integer(value);
	snprintf(hint, sizeof(hint), "allowed: %u to %u", key->min, key->max);
	word_error(w, true, hint, "%s: '%.64s' is not a number in range", w->key, w->value);
	return NULL;
}

static json_t *value_rate(const struct vif_key *key, const struct vif_word *w)
{
	uint64_t bytes, usecs;

	(void)key;
	if (!parse_rate(w->value, &bytes, &usecs))
		return json_pack("{s:I, s:I}", "bytes-per-interval", (json_int_t)bytes,
				 "interval-usecs", (json_int_t)usecs);
	word_error(w, true, "allowed: 10Mb/s, 250KB/s, 1MB/s@20ms; less than 4 GiB an interval",
		   "%s: '%.64s' is not a rate", w->key, w->value);
	return NULL;
}

static json_t *value_kind(const struct vif_key *key, const struct vif_word *w)
{
	(void)key;
	if (!strcmp(w->value, "vif") || !strcmp(w->value, "ioemu"))
		return json_string(w->value);
	word_error(w, true, "allowed: vif, ioemu", "%s: '%.64s' is not a type of interface", w->key,
		   w->value);
	return NULL;
}

static json_t *value_backend(const struct vif_key *key, const struct vif_word *w)
{
	(void)key;
	if (!strcmp(w->value, "0") || !strcmp(w->value, "Domain-0"))
		return json_integer(0);
	word_error(w, true, "allowed: 0, Domain-0", "%s: '%.64s': there are no driver domains",
		   w->key, w->value);
	return NULL;
}

static json_t *(*const vif_values[])(const struct vif_key *key, const struct vif_word *w) = {
	[VIF_MAC] = value_mac,	       [VIF_TEXT] = value_text, [VIF_IFNAME] = value_text,
	[VIF_NUMBER] = value_number,   [VIF_RATE] = value_rate, [VIF_KIND] = value_kind,
	[VIF_BACKEND] = value_backend,
};

static void unknown_word(const struct vif_word *w)
{
	const char *names[NR_VIF_KEYS + 1], *nearest;
	char hint[96];

	for (size_t i = 0; i < NR_VIF_KEYS; i++)
		names[i] = vif_keys[i].name;
	names[NR_VIF_KEYS] = NULL;
	nearest = text_nearest(w->key, names);
	snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest ? nearest : "");
	word_error(w, false,
		   nearest ? hint : "allowed: the keywords of xl-network-configuration(5)",
		   "unknown vif keyword '%.64s'", w->key);
}

/* Return: 0, -EINVAL after reporting, -ENOMEM. */
static int vif_word(const struct vif_word *w, json_t *vif)
{
	const struct vif_key *key = NULL;
	const char *member;
	json_t *value;

	for (size_t i = 0; i < NR_VIF_KEYS && !key; i++)
		if (!strcmp(vif_keys[i].name, w->key))
			key = &vif_keys[i];
	if (!key && strncmp(w->key, "colo_", 5)) {
		unknown_word(w);
		return -EINVAL;
	}
	if (!key || key->type == VIF_IGNORED) {
		struct diag_place place = *w->place;

		place.column += (int)w->key_offset;
		diag_add(w->diags, DIAG_WARNING, "XL0302", &place, NULL,
			 "vif keyword '%.64s' is not acted on", w->key);
		return 0;
	}
	member = key->member ? key->member : key->name;
	if (json_object_get(vif, member)) {
		word_error(w, false, "allowed: each keyword once",
			   "vif keyword '%.64s' is given twice", w->key);
		return -EINVAL;
	}
	if (!w->value) {
		word_error(w, false, "write keyword=value", "vif keyword '%.64s' needs a value",
			   w->key);
		return -EINVAL;
	}
	value = vif_values[key->type](key, w);
	if (!value)
		return -EINVAL;
	return json_object_set_new(vif, member, value) ? -ENOMEM : 0;
}

/* The keyword between @start and @end of @spec, without blanks around it. */
static int vif_part(struct vif_word *w, const char *spec, size_t start, size_t end, json_t *vif)
{
	size_t equals, key_end;
	int rc;

	while (start < end && isspace((unsigned char)spec[start]))
		start++;
	while (end > start && isspace((unsigned char)spec[end - 1]))
		end--;
	if (start == end)
		return 0;
	for (equals = start; equals < end && spec[equals] != '='; equals++)
		;
	for (key_end = equals; key_end > start && isspace((unsigned char)spec[key_end - 1]);
	     key_end--)
		;
	w->key_offset = start;
	w->key = strndup(spec + start, key_end - start);
	w->value = NULL;
	if (equals < end) {
		for (equals++; equals < end && isspace((unsigned char)spec[equals]); equals++)
			;
		w->value_offset = equals;
		w->value = strndup(spec + equals, end - equals);
	}
	rc = w->key && (w->value || equals == end) ? vif_word(w, vif) : -ENOMEM;
	free(w->key);
	free(w->value);
	return rc;
}

int xlcfg_parse_vif(const char *spec, const struct diag_place *place, struct diags *diags,
		    json_t **vif_out)
{
	struct vif_word w = { .place = place, .diags = diags };
	json_t *vif = json_object();
	size_t start = 0;
	int rc = vif ? 0 : -ENOMEM, part;

	*vif_out = NULL;
	while (rc != -ENOMEM) {
		size_t end = start + strcspn(spec + start, ",");

		part = vif_part(&w, spec, start, end, vif);
		if (part)
			rc = part;
		if (!spec[end])
			break;
		start = end + 1;
	}
	if (rc) {
		json_decref(vif);
		return rc;
	}
	*vif_out = vif;
	return 0;
}
