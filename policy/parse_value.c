/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values and lists of them, by the kind that a key's table entry names. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "policy/keys.h"

void pol_error_type(struct pol_reader *r, const struct pol_node *node, const char *wanted)
{
	static const char *const found[] = {
		[POL_NODE_SCALAR] = "a single value",
		[POL_NODE_LIST] = "a list",
		[POL_NODE_MAP] = "a map",
	};
	char hint[128];

	snprintf(hint, sizeof(hint), "%s is allowed", wanted);
	if (pol_node_is_null(node))
		pol_error(r, "VF0101", node, NULL, hint, "no value");
	else
		pol_error(r, "VF0101", node, NULL, hint, "%s is wrong here", found[node->type]);
}

void pol_error_value(struct pol_reader *r, const struct pol_node *node, const char *code,
		     const char *allowed, const char *what)
{
	char quoted[POL_QUOTE_MAX], hint[160];

	snprintf(hint, sizeof(hint), "allowed: %s", allowed);
	pol_error(r, code, node, NULL, hint, "%s is not %s", pol_quote(quoted, node->text), what);
}

bool pol_want_scalar(struct pol_reader *r, const struct pol_node *node, const char *wanted)
{
	if (node->type == POL_NODE_SCALAR && !pol_node_is_null(node))
		return true;
	pol_error_type(r, node, wanted);
	return false;
}

/* In quotes it would be a text to every other reader of the file. */
bool pol_want_plain(struct pol_reader *r, const struct pol_node *node, const char *wanted)
{
	if (!pol_want_scalar(r, node, wanted))
		return false;
	if (node->is_plain)
		return true;
	pol_error(r, "VF0101", node, NULL, "write it without quotes", "a text where %s is wanted",
		  wanted);
	return false;
}

static void read_bool(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		      void *target)
{
	struct pol_bool *out = target;

	(void)key;
	if (!pol_want_plain(r, node, "true or false"))
		return;
	if (strcmp(node->text, "true") && strcmp(node->text, "false")) {
		pol_error_value(r, node, "VF0104", "true, false", "a truth value");
		return;
	}
	*out = (struct pol_bool){ .value = !strcmp(node->text, "true"), .place = node->place };
}

static void read_u32(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target)
{
	const struct pol_range *range = key->arg;
	struct pol_u32 *out = target;
	char allowed[64];
	uint32_t value;
	int rc;

	if (range->min == range->max)
		snprintf(allowed, sizeof(allowed), "%u", range->min);
	else
		snprintf(allowed, sizeof(allowed), "a whole number from %u to %u", range->min,
			 range->max);
	if (!pol_want_plain(r, node, "a number"))
		return;
	rc = parse_u32(node->text, range->max, &value);
	if (rc == -EINVAL || (node->text[0] == '0' && node->text[1])) {
		pol_error_value(r, node, "VF0105", allowed, "a whole number");
		return;
	}
	if (rc || value < range->min) {
		pol_error_value(r, node, "VF0105", allowed, "in range");
		return;
	}
	*out = (struct pol_u32){ .value = value, .place = node->place };
}

static void list_choices(const struct pol_choice *choices, char *out, size_t size)
{
	size_t used = 0;

	for (; choices->name; choices++)
		if (choices->status == POL_READY)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 choices->name);
}

static void read_choice(struct pol_reader *r, const struct pol_node *node,
			const struct pol_key *key, void *target)
{
	const struct pol_choice *choices = key->arg;
	struct pol_u32 *out = target;
	char allowed[128], quoted[POL_QUOTE_MAX], hint[160];

	list_choices(choices, allowed, sizeof(allowed));
	if (!pol_want_scalar(r, node, allowed))
		return;
	for (; choices->name; choices++) {
		if (strcmp(choices->name, node->text))
			continue;
		if (choices->status == POL_READY) {
			*out = (struct pol_u32){ .value = choices->value, .place = node->place };
			return;
		}
		snprintf(hint, sizeof(hint), "allowed: %s", allowed);
		pol_error(r, "VF0111", node, NULL, hint, "not in this version: %s %s", key->name,
			  pol_quote(quoted, node->text));
		return;
	}
	snprintf(quoted, sizeof(quoted), "a value of %s", key->name);
	pol_error_value(r, node, "VF0104", allowed, quoted);
}

/* Digits, perhaps a fraction and an exponent; or what YAML 1.2 has besides. */
static bool is_number(const char *p)
{
	static const char digits[] = "0123456789";
	size_t whole, fraction = 0;

	p += *p == '-' || *p == '+';
	if (!strcasecmp(p, ".inf") || !strcasecmp(p, ".nan"))
		return true;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'o') && p[2])
		return !p[2 + strspn(p + 2, p[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567")];
	whole = strspn(p, digits);
	p += whole;
	if (*p == '.') {
		fraction = strspn(p + 1, digits);
		p += 1 + fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (!strspn(p, digits))
			return false;
		p += strspn(p, digits);
	}
	return !*p;
}

/* Every other reader of the file would take the plain @text for something else than a text. */
static bool is_guessed(const char *text)
{
	return is_number(text) || !strcasecmp(text, "true") || !strcasecmp(text, "false");
}

bool pol_want_text(struct pol_reader *r, const struct pol_node *node, const char *wanted)
{
	if (!pol_want_scalar(r, node, wanted))
		return false;
	if (!node->is_plain || !is_guessed(node->text))
		return true;
	pol_error(r, "VF0101", node, NULL, "write it in quotes",
		  "a number or truth value where %s is wanted", wanted);
	return false;
}

void *pol_want_list(struct pol_reader *r, const struct pol_node *node, const char *wanted,
		    size_t size)
{
	void *items;

	if (node->type != POL_NODE_LIST) {
		pol_error_type(r, node, wanted);
		return NULL;
	}
	items = pol_alloc(r->arena, node->nr * size);
	if (!items)
		r->rc = -ENOMEM;
	return items;
}

static char *fold(char *text)
{
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return text;
}

static void read_one_text(struct pol_reader *r, const struct pol_node *node,
			  const struct pol_text_rule *rule, struct pol_text *out)
{
	char *text;

	if (!pol_want_text(r, node, rule->what))
		return;
	if (!rule->is_good(node->text)) {
		pol_error_value(r, node, "VF0106", rule->allowed, rule->what);
		return;
	}
	text = pol_copy(r->arena, node->text, strlen(node->text));
	if (!text) {
		r->rc = -ENOMEM;
		return;
	}
	*out = (struct pol_text){ .text = rule->fold ? fold(text) : text, .place = node->place };
}

void pol_read_text(struct pol_reader *r, const struct pol_node *node,
		   const struct pol_text_rule *rule, struct pol_text *out)
{
	read_one_text(r, node, rule, out);
}

static void read_u32s(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		      void *target)
{
	struct pol_u32s *out = target;
	struct pol_u32 *v = pol_want_list(r, node, "a list of numbers", sizeof(*v));

	if (!v)
		return;
	*out = (struct pol_u32s){ .v = v, .place = node->place };
	for (const struct pol_node *n = node->first; n; n = n->next) {
		read_u32(r, n, key, &out->v[out->nr]);
		out->nr += out->v[out->nr].place.line != 0;
	}
}

static void read_text(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		      void *target)
{
	read_one_text(r, node, key->arg, target);
}

static void read_texts(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		       void *target)
{
	struct pol_texts *out = target;
	struct pol_text *v = pol_want_list(r, node, "a list", sizeof(*v));

	if (!v)
		return;
	*out = (struct pol_texts){ .v = v, .place = node->place };
	for (const struct pol_node *n = node->first; n; n = n->next)
		read_one_text(r, n, key->arg, &out->v[out->nr++]);
}

static void read_mac(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target)
{
	struct pol_mac *out = target, mac = { .place = node->place };

	(void)key;
	if (!pol_want_scalar(r, node, "a MAC address"))
		return;
	if (parse_mac(node->text, mac.mac)) {
		pol_error_value(r, node, "VF0106", "six hex pairs, \"00:16:3e:10:00:01\"",
				"a MAC address");
		return;
	}
	*out = mac;
}

static void read_mac_or_auto(struct pol_reader *r, const struct pol_node *node,
			     const struct pol_key *key, void *target)
{
	struct pol_mac *out = target;

	if (node->type == POL_NODE_SCALAR && !strcmp(node->text, POL_MAC_AUTO))
		*out = (struct pol_mac){ .is_auto = true, .place = node->place };
	else
		read_mac(r, node, key, target);
}

static void read_address(struct pol_reader *r, const struct pol_node *node,
			 const struct pol_key *key, void *target)
{
	struct pol_prefix prefix = { .place = node->place };

	(void)key;
	if (!pol_want_scalar(r, node, "an IPv4 or IPv6 address"))
		return;
	if (pol_parse_address(node->text, &prefix))
		*(struct pol_prefix *)target = prefix;
	else
		pol_error_value(r, node, "VF0106",
				"an IPv4 or IPv6 address without length, 192.0.2.1", "an address");
}

void pol_read_value(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target)
{
	static void (*const readers[])(struct pol_reader *, const struct pol_node *,
				       const struct pol_key *, void *) = {
		[POL_KIND_BOOL] = read_bool,
		[POL_KIND_U32] = read_u32,
		[POL_KIND_U32S] = read_u32s,
		[POL_KIND_CHOICE] = read_choice,
		[POL_KIND_TEXT] = read_text,
		[POL_KIND_TEXTS] = read_texts,
		[POL_KIND_MAC] = read_mac,
		[POL_KIND_MAC_OR_AUTO] = read_mac_or_auto,
		[POL_KIND_ADDRESS] = read_address,
		[POL_KIND_TARGET] = pol_read_network,
		[POL_KIND_NETWORK] = pol_read_network,
		[POL_KIND_ADDRESSES] = pol_read_addresses,
		[POL_KIND_NETS] = pol_read_nets,
		[POL_KIND_HOST_ADDRESSES] = pol_read_host_addresses,
		[POL_KIND_SPAN] = pol_read_span,
		[POL_KIND_SOURCE] = pol_read_source,
		[POL_KIND_QUANTITY] = pol_read_quantity,
		[POL_KIND_VLAN] = pol_read_vlan,
		[POL_KIND_VLANS] = pol_read_vlans,
		[POL_KIND_PORT_RANGE] = pol_read_port_range,
		[POL_KIND_PORTS] = pol_read_ports,
		[POL_KIND_SERVICES] = pol_read_services,
		[POL_KIND_PEERS] = pol_read_peers,
		[POL_KIND_UPLINK] = pol_read_uplink,
	};

	readers[key->kind](r, node, key, target);
}
