/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, networks and lists of them. */
#include <arpa/inet.h>
#include <string.h>

#include "policy/keys.h"

#define ADDRESS_FORM "an IPv4 or IPv6 address without length, 192.0.2.1"

bool pol_parse_address(const char *text, struct pol_prefix *out)
{
	out->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	out->len = pol_family_bits(out->family);
	return inet_pton(out->family, text, out->address) == 1;
}

bool pol_parse_prefix(const char *text, struct pol_prefix *out)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	uint32_t len;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = 0;
	if (!pol_parse_address(address, out) || (slash[1] == '0' && slash[2]) ||
	    parse_u32(slash + 1, out->len, &len))
		return false;
	out->len = len;
	return true;
}

/* No bits behind the length, else an error that names the network. */
static bool want_masked(struct pol_reader *r, const struct pol_node *node,
			const struct pol_prefix *prefix)
{
	char text[POL_PREFIX_TEXT_MAX];
	struct pol_prefix masked = *prefix;

	pol_prefix_mask(&masked);
	if (!memcmp(masked.address, prefix->address, sizeof(masked.address)))
		return true;
	pol_error_value(r, node, "VF0223", pol_prefix_text(text, &masked, true), "a network");
	return false;
}

void pol_read_network(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		      void *target)
{
	struct pol_prefix prefix = { .place = node->place };
	bool or_default = key->kind == POL_KIND_TARGET;

	if (!pol_want_scalar(r, node, or_default ? "\"default\" or a network" : "a network"))
		return;
	if (or_default && !strcmp(node->text, "default")) {
		prefix.is_default = true;
		*(struct pol_prefix *)target = prefix;
		return;
	}
	if (!pol_parse_prefix(node->text, &prefix))
		pol_error_value(r, node, "VF0106",
				or_default ? "default, or a network as 198.51.100.0/24"
					   : "a network as 198.51.100.0/24",
				or_default ? "a route's target" : "a network");
	else if (want_masked(r, node, &prefix))
		*(struct pol_prefix *)target = prefix;
}

void pol_read_addresses(struct pol_reader *r, const struct pol_node *node,
			const struct pol_key *key, void *target)
{
	struct pol_prefixes *out = target;
	struct pol_prefix *v = pol_want_list(r, node, "a list of addresses", sizeof(*v));

	(void)key;
	if (!v)
		return;
	*out = (struct pol_prefixes){ .v = v, .place = node->place };
	for (const struct pol_node *n = node->first; n; n = n->next) {
		struct pol_prefix prefix = { .place = n->place };

		if (!pol_want_scalar(r, n, "an IPv4 or IPv6 address"))
			continue;
		if (pol_parse_address(n->text, &prefix))
			out->v[out->nr++] = prefix;
		else
			pol_error_value(r, n, "VF0106", ADDRESS_FORM, "an address");
	}
}

/* The name behind the prefix, as a text of its own. */
static void read_fqdn(struct pol_reader *r, const struct pol_node *node, struct pol_nets *out)
{
	static const struct pol_key key = { .kind = POL_KIND_TEXT, .arg = &pol_rule_fqdn };
	struct pol_node name = *node;

	name.text += strlen(POL_FQDN_PREFIX);
	name.is_plain = false;
	pol_read_value(r, &name, &key, &out->names[out->nr_names]);
	out->nr_names += out->names[out->nr_names].text != NULL;
}

void pol_read_nets(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		   void *target)
{
	struct pol_nets *out = target;
	struct pol_prefix *v = pol_want_list(r, node, "a list of networks", sizeof(*v));
	struct pol_text *names = v ? pol_want_list(r, node, "", sizeof(*names)) : NULL;

	if (!names)
		return;
	*out = (struct pol_nets){ .v = v, .place = node->place, .names = names };
	for (const struct pol_node *n = node->first; n; n = n->next) {
		struct pol_prefix prefix = { .place = n->place };

		if (!pol_want_scalar(r, n, "an address or a network"))
			continue;
		if (key->arg && !strncmp(n->text, POL_FQDN_PREFIX, strlen(POL_FQDN_PREFIX)))
			read_fqdn(r, n, out);
		else if (!pol_parse_prefix(n->text, &prefix) &&
			 !pol_parse_address(n->text, &prefix))
			pol_error_value(r, n, "VF0106",
					key->arg ? "192.0.2.1, 192.0.2.0/24 or "
						   "fqdn:www.example.org"
						 : "192.0.2.1 or 192.0.2.0/24",
					"an address or a network");
		else if (want_masked(r, n, &prefix))
			out->v[out->nr++] = prefix;
	}
}

/* Where one of the words that ask the LAN for an address is kept. NULL: none of them. */
static struct pol_place *lease_word(struct pol_host_addresses *a, const char *text)
{
	return !strcmp(text, "dhcp")	? &a->dhcp
	       : !strcmp(text, "dhcp6") ? &a->dhcp6
	       : !strcmp(text, "ra")	? &a->ra
					: NULL;
}

void pol_read_host_addresses(struct pol_reader *r, const struct pol_node *node,
			     const struct pol_key *key, void *target)
{
	struct pol_host_addresses *out = target;
	struct pol_prefix *v = pol_want_list(r, node, "a list of addresses", sizeof(*v));

	(void)key;
	if (!v)
		return;
	*out = (struct pol_host_addresses){ .v = v, .place = node->place };
	for (const struct pol_node *n = node->first; n; n = n->next) {
		struct pol_prefix prefix = { .place = n->place };
		struct pol_place *word;

		if (!pol_want_scalar(r, n, "an address with its length"))
			continue;
		word = lease_word(out, n->text);
		if (word && word->line)
			pol_error(r, "VF0205", n, NULL, "leave it out",
				  "\"%s\" stands already in %s", n->text, pol_at(r, word));
		else if (word)
			*word = n->place;
		else if (pol_parse_prefix(n->text, &prefix))
			out->v[out->nr++] = prefix;
		else
			pol_error_value(r, n, "VF0106",
					"an address with its length, 192.0.2.10/24, or dhcp, "
					"dhcp6, ra",
					"an address of the host");
	}
}

/* "192.0.2.10-192.0.2.20" */
static bool parse_span(const char *text, struct pol_span *out)
{
	const char *dash = strchr(text, '-');
	char first[INET6_ADDRSTRLEN];
	struct pol_prefix a, b;

	if (!dash || (size_t)(dash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = 0;
	if (!pol_parse_address(first, &a) || !pol_parse_address(dash + 1, &b) ||
	    a.family != b.family)
		return false;
	out->family = a.family;
	memcpy(out->first, a.address, a.len / 8);
	memcpy(out->last, b.address, b.len / 8);
	return memcmp(out->first, out->last, a.len / 8) <= 0;
}

void pol_read_span(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		   void *target)
{
	static const char letters[] = "0123456789abcdefABCDEF.:";
	static const char form[] = "two addresses, the lower first: 10.0.0.10-10.0.0.99";
	struct pol_span span = { .place = node->place };
	size_t len;

	(void)key;
	if (!pol_want_text(r, node, "a range of addresses"))
		return;
	len = strspn(node->text, letters);
	/* What cannot be one by its letters alone is told from what is wrong otherwise. */
	if (!len || node->text[len] != '-' || !node->text[len + 1] ||
	    node->text[len + 1 + strspn(node->text + len + 1, letters)])
		pol_error_value(r, node, "VF0106", form, "a range of addresses");
	else if (!parse_span(node->text, &span))
		pol_error_value(r, node, "VF0229", form, "a range of addresses");
	else
		*(struct pol_span *)target = span;
}

static void read_one_source(struct pol_reader *r, const struct pol_node *node,
			    struct pol_source *out)
{
	struct pol_prefix a = { .place = node->place }, *of_family;

	if (!pol_want_scalar(r, node, "\"masquerade\" or an address"))
		return;
	if (!pol_parse_address(node->text, &a)) {
		pol_error_value(r, node, "VF0106", "masquerade, or an address as 192.0.2.11",
				"a source");
		return;
	}
	of_family = a.family == AF_INET6 ? &out->v6 : &out->v4;
	if (of_family->family)
		pol_error(r, "VF0205", node, NULL, "one of IPv4 and one of IPv6 are allowed",
			  "a second source address of its family");
	else
		*of_family = a;
}

void pol_read_source(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target)
{
	struct pol_source *out = target;

	(void)key;
	*out = (struct pol_source){ .place = node->place };
	if (node->type == POL_NODE_LIST) {
		for (const struct pol_node *n = node->first; n; n = n->next)
			read_one_source(r, n, out);
	} else if (node->type == POL_NODE_SCALAR && !strcmp(node->text, "masquerade")) {
		out->masquerade = true;
	} else {
		read_one_source(r, node, out);
	}
}

void pol_read_uplink(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target)
{
	struct pol_network *n = (void *)((char *)target -
					 offsetof(struct pol_network, uplink_name));

	if (node->type != POL_NODE_MAP) {
		pol_read_text(r, node, &pol_rule_name, &n->uplink_name);
		return;
	}
	pol_read_map(r, node, key->arg, &n->uplink_match);
	n->uplink_name.place = node->place;
}
