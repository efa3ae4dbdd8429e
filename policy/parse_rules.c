/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a text may be, by what it stands for. */
#include <ctype.h>
#include <string.h>

#include "policy/keys.h"

#define IFNAME_MAX   15
#define NAME_MAX_LEN 63
#define DRIVER_MAX   31
#define TEXT_MAX     255
#define TAG_MAX	     31
#define DNS_MAX	     127
#define FQDN_MAX     253
#define LABEL_MAX    63

static bool is_name(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (!len || len > max || !isalnum((unsigned char)text[0]))
		return false;
	for (const char *p = text; *p; p++)
		if (!isascii((unsigned char)*p) ||
		    !(isalnum((unsigned char)*p) || strchr("._-", *p)))
			return false;
	return true;
}

static bool is_plain_name(const char *text)
{
	return is_name(text, NAME_MAX_LEN);
}

static bool is_ifname(const char *text)
{
	return is_name(text, IFNAME_MAX);
}

static bool is_guest(const char *text)
{
	return !strcmp(text, POL_ANY_GUEST) || is_name(text, NAME_MAX_LEN);
}

/* Printable ASCII; with @blanks also spaces. */
static bool is_printable(const char *text, size_t max, bool blanks)
{
	size_t len = strlen(text);

	if (!len || len > max)
		return false;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < (blanks ? 0x20 : 0x21) || *p > 0x7e)
			return false;
	return true;
}

static bool is_domain(const char *text)
{
	return is_printable(text, TEXT_MAX, true);
}

static bool is_driver(const char *text)
{
	return is_printable(text, DRIVER_MAX, false);
}

static bool is_hostglob(const char *text)
{
	return is_printable(text, TEXT_MAX, false);
}

static bool is_ifglob(const char *text)
{
	return is_printable(text, IFNAME_MAX, false) && !strchr(text, '/');
}

static bool is_tag(const char *text)
{
	return is_name(text, TAG_MAX);
}

static bool is_guest_or_tag(const char *text)
{
	return text[0] == '@' ? is_tag(text + 1) : is_plain_name(text);
}

/* Not to be taken for a number or a range. */
static bool is_vlan(const char *text)
{
	return isalpha((unsigned char)text[0]) && is_name(text, NAME_MAX_LEN);
}

static bool is_dns(const char *text)
{
	return is_name(text, DNS_MAX) && !strchr(text, '_');
}

/* A name that is looked up as it is: without a dot it would be one of somebody's search list. */
static bool is_fqdn(const char *text)
{
	const char *label = text;
	size_t len;

	if (strlen(text) > FQDN_MAX || !strchr(text, '.'))
		return false;
	do {
		len = strcspn(label, ".");
		if (!len || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-' ||
		    strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789-_") < len)
			return false;
		label += len;
	} while (*label++);
	return true;
}

/* "web1/0" */
static bool is_vif(const char *text)
{
	const char *slash = strchr(text, '/');
	char guest[NAME_MAX_LEN + 1];
	size_t digits;

	if (!slash || (size_t)(slash - text) >= sizeof(guest))
		return false;
	memcpy(guest, text, (size_t)(slash - text));
	guest[slash - text] = 0;
	digits = strspn(slash + 1, "0123456789");
	return is_plain_name(guest) && digits && digits <= 5 && !slash[1 + digits];
}

/* @shape: 'x' a hex digit, anything else itself. */
static bool has_shape(const char *text, const char *shape)
{
	if (strlen(text) != strlen(shape))
		return false;
	for (; *shape; shape++, text++)
		if (*shape == 'x' ? !isxdigit((unsigned char)*text) : *text != *shape)
			return false;
	return true;
}

static bool is_uuid(const char *text)
{
	return has_shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

static bool is_pci(const char *text)
{
	return has_shape(text, "xxxx:xx:xx.x") && strchr("01234567", text[11]);
}

const struct pol_text_rule pol_rule_name = {
	"a name", "letters, digits and . _ - up to 63, a letter or digit first", is_plain_name,
	false
};
const struct pol_text_rule pol_rule_ifname = {
	"a network's name",
	"letters, digits and . _ - up to 15 (it names an interface), a letter or digit first",
	is_ifname, false
};
const struct pol_text_rule pol_rule_guest = {
	"a guest's name",
	"letters, digits and . _ - up to 63, or \"*\" for all others; others go in match.name",
	is_guest, false
};
const struct pol_text_rule pol_rule_domain = { "a domain's name",
					       "up to 255 printable ASCII characters", is_domain,
					       false };
const struct pol_text_rule pol_rule_uuid = {
	"a UUID", "32 hex digits as 01234567-89ab-cdef-0123-456789abcdef", is_uuid, true
};
const struct pol_text_rule pol_rule_pci = { "a PCI address",
					    "domain:bus:device.function as 0000:3b:00.0", is_pci,
					    true };
const struct pol_text_rule pol_rule_driver = { "a driver's name",
					       "up to 31 printable characters, * and ? match any",
					       is_driver, false };
const struct pol_text_rule pol_rule_ifglob = { "an interface's name",
					       "up to 15 printable characters, * and ? match any",
					       is_ifglob, false };
const struct pol_text_rule pol_rule_hostglob = {
	"a host's name", "up to 255 printable characters, * and ? match any", is_hostglob, false
};
const struct pol_text_rule pol_rule_tag = {
	"a tag", "letters, digits and . _ - up to 31, a letter or digit first", is_tag, false
};
const struct pol_text_rule pol_rule_guest_or_tag = { "a guest's name or a tag",
						     "web1, or \"@web\" for a tag", is_guest_or_tag,
						     false };
const struct pol_text_rule pol_rule_vlan = { "a VLAN's name",
					     "letters, digits and . _ - up to 63, a letter first",
					     is_vlan, false };
const struct pol_text_rule pol_rule_dns = {
	"a domain name", "letters, digits and . - up to 127, a letter or digit first", is_dns, true
};
const struct pol_text_rule pol_rule_fqdn = {
	"a whole domain name",
	"labels of letters, digits, - and _ with dots between them, up to 253, as www.example.org",
	is_fqdn, true
};
const struct pol_text_rule pol_rule_vif = { "a guest's vif", "guest/devid, web1/0", is_vif, false };
