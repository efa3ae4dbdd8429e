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

static void error_value(struct pol_reader *r, const struct pol_node *node, const char *code,
			const char *allowed, const char *what)
{
	char quoted[POL_QUOTE_MAX], hint[160];

	snprintf(hint, sizeof(hint), "allowed: %s", allowed);
	pol_error(r, code, node, NULL, hint, "%s is not %s", pol_quote(quoted, node->text), what);
}

/* A scalar that says something. */
static bool want_scalar(struct pol_reader *r, const struct pol_node *node, const char *wanted)
{
	if (node->type == POL_NODE_SCALAR && !pol_node_is_null(node))
		return true;
	pol_error_type(r, node, wanted);
	return false;
}

/* A number or truth value: in quotes it would be a text to every other reader of the file. */
static bool want_plain(struct pol_reader *r, const struct pol_node *node, const char *wanted)
{
	if (!want_scalar(r, node, wanted))
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
	if (!want_plain(r, node, "true or false"))
		return;
	if (strcmp(node->text, "true") && strcmp(node->text, "false")) {
		error_value(r, node, "VF0104", "true, false", "a truth value");
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
	if (!want_plain(r, node, "a number"))
		return;
	rc = parse_u32(node->text, range->max, &value);
	if (rc == -EINVAL || (node->text[0] == '0' && node->text[1])) {
		error_value(r, node, "VF0105", allowed, "a whole number");
		return;
	}
	if (rc || value < range->min) {
		error_value(r, node, "VF0105", allowed, "in range");
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
	if (!want_scalar(r, node, allowed))
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
	error_value(r, node, "VF0104", allowed, quoted);
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

	if (!want_scalar(r, node, rule->what))
		return;
	if (node->is_plain && is_guessed(node->text)) {
		pol_error(r, "VF0101", node, NULL, "write it in quotes",
			  "a number or truth value where %s is wanted", rule->what);
		return;
	}
	if (!rule->is_good(node->text)) {
		error_value(r, node, "VF0106", rule->allowed, rule->what);
		return;
	}
	text = pol_copy(r->arena, node->text, strlen(node->text));
	if (!text) {
		r->rc = -ENOMEM;
		return;
	}
	*out = (struct pol_text){ .text = rule->fold ? fold(text) : text, .place = node->place };
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

	if (node->type != POL_NODE_LIST) {
		pol_error_type(r, node, "a list");
		return;
	}
	*out = (struct pol_texts){ .place = node->place };
	out->v = pol_alloc(r->arena, node->nr * sizeof(*out->v));
	if (!out->v) {
		r->rc = -ENOMEM;
		return;
	}
	for (const struct pol_node *n = node->first; n; n = n->next)
		read_one_text(r, n, key->arg, &out->v[out->nr++]);
}

static void read_mac(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target)
{
	struct pol_mac *out = target, mac = { .place = node->place };

	(void)key;
	if (!want_scalar(r, node, "a MAC address"))
		return;
	if (parse_mac(node->text, mac.mac)) {
		error_value(r, node, "VF0106", "six hex pairs, \"00:16:3e:10:00:01\"",
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

/* An address without its length. */
static bool parse_address(const char *text, struct pol_prefix *out)
{
	out->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	out->len = pol_family_bits(out->family);
	return inet_pton(out->family, text, out->address) == 1;
}

static bool parse_prefix(const char *text, struct pol_prefix *out)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	uint32_t len;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = 0;
	if (!parse_address(address, out) || (slash[1] == '0' && slash[2]) ||
	    parse_u32(slash + 1, out->len, &len))
		return false;
	out->len = len;
	return true;
}

static void read_address(struct pol_reader *r, const struct pol_node *node,
			 const struct pol_key *key, void *target)
{
	struct pol_prefix prefix = { .place = node->place };

	(void)key;
	if (!want_scalar(r, node, "an IPv4 or IPv6 address"))
		return;
	if (parse_address(node->text, &prefix))
		*(struct pol_prefix *)target = prefix;
	else
		error_value(r, node, "VF0106", "an IPv4 or IPv6 address without length, 192.0.2.1",
			    "an address");
}

static void read_target(struct pol_reader *r, const struct pol_node *node,
			const struct pol_key *key, void *target)
{
	struct pol_prefix prefix = { .place = node->place };
	char text[POL_PREFIX_TEXT_MAX], allowed[POL_PREFIX_TEXT_MAX];
	struct pol_prefix masked;

	(void)key;
	if (!want_scalar(r, node, "\"default\" or a network"))
		return;
	if (!strcmp(node->text, "default")) {
		prefix.is_default = true;
		*(struct pol_prefix *)target = prefix;
		return;
	}
	if (!parse_prefix(node->text, &prefix)) {
		error_value(r, node, "VF0106", "default, or a network as 198.51.100.0/24",
			    "a route's target");
		return;
	}
	masked = prefix;
	pol_prefix_mask(&masked);
	if (memcmp(masked.address, prefix.address, sizeof(masked.address))) {
		snprintf(text, sizeof(text), "%s", pol_prefix_text(allowed, &masked, true));
		error_value(r, node, "VF0223", text, "a network");
		return;
	}
	*(struct pol_prefix *)target = prefix;
}

static void read_prefixes(struct pol_reader *r, const struct pol_node *node,
			  const struct pol_key *key, void *target)
{
	struct pol_prefixes *out = target;

	(void)key;
	if (node->type != POL_NODE_LIST) {
		pol_error_type(r, node, "a list of addresses");
		return;
	}
	*out = (struct pol_prefixes){ .place = node->place };
	out->v = pol_alloc(r->arena, node->nr * sizeof(*out->v));
	if (!out->v) {
		r->rc = -ENOMEM;
		return;
	}
	for (const struct pol_node *n = node->first; n; n = n->next) {
		struct pol_prefix prefix = { .place = n->place };

		if (!want_scalar(r, n, "an address with its length"))
			continue;
		if (parse_prefix(n->text, &prefix))
			out->v[out->nr++] = prefix;
		else
			error_value(r, n, "VF0106", "an address with its length, 192.0.2.10/24",
				    "an address of the host");
	}
}

void pol_read_value(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target)
{
	static void (*const readers[])(struct pol_reader *, const struct pol_node *,
				       const struct pol_key *, void *) = {
		[POL_KIND_BOOL] = read_bool,
		[POL_KIND_U32] = read_u32,
		[POL_KIND_CHOICE] = read_choice,
		[POL_KIND_TEXT] = read_text,
		[POL_KIND_TEXTS] = read_texts,
		[POL_KIND_MAC] = read_mac,
		[POL_KIND_MAC_OR_AUTO] = read_mac_or_auto,
		[POL_KIND_ADDRESS] = read_address,
		[POL_KIND_TARGET] = read_target,
		[POL_KIND_PREFIXES] = read_prefixes,
	};

	readers[key->kind](r, node, key, target);
}
