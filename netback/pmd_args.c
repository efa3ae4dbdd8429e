/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_kvargs.h>

#include "base/parse.h"
#include "netback/pmd.h"

#define NR_KEYS_MAX 16

RTE_LOG_REGISTER(pmd_logtype, pmd.net.xen, NOTICE);

int pmd_refuse_secondary(const char *device)
{
	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		return 0;
	pmd_log(ERR,
		"%s: a secondary process cannot have it: rings and event channels are the primary "
		"process's alone. Name the device there only\n",
		device);
	return -ENOTSUP;
}

static int unknown(const char *device, const char *key, const struct pmd_arg *args, unsigned int nr,
		   char *why)
{
	const char *names[NR_KEYS_MAX + 1] = { NULL };
	const char *near;
	size_t len;

	for (unsigned int i = 0; i < nr && i < NR_KEYS_MAX; i++)
		names[i] = args[i].key;
	near = text_nearest(key, names);
	snprintf(why, PMD_WHY_MAX, "%s: there is no argument '%.40s'%s%s%s; there is:", device, key,
		 near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
	for (unsigned int i = 0; names[i]; i++) {
		len = strlen(why);
		snprintf(why + len, PMD_WHY_MAX - len, " %s=", names[i]);
	}
	return -EINVAL;
}

static int take(const char *device, struct pmd_arg *a, const char *value, char *why)
{
	uint32_t number;

	if (a->given) {
		snprintf(why, PMD_WHY_MAX, "%s: %s= stands there twice: give it once", device,
			 a->key);
		return -EINVAL;
	}
	a->given = true;
	if (!a->number) {
		if (value && value[0] && strlen(value) < a->size) {
			strcpy(a->text, value);
			return 0;
		}
		snprintf(why, PMD_WHY_MAX, "%s: %s=%.40s: %s is wanted, of at most %zu characters",
			 device, a->key, value ? value : "", a->what, a->size - 1);
		return -EINVAL;
	}
	if (value && !parse_u32(value, a->max, &number) && number >= a->min) {
		*a->number = number;
		return 0;
	}
	snprintf(why, PMD_WHY_MAX, "%s: %s=%.40s: %s is wanted, a number from %u to %u", device,
		 a->key, value ? value : "", a->what, a->min, a->max);
	return -EINVAL;
}

static int take_all(const char *device, const struct rte_kvargs *pairs, struct pmd_arg *args,
		    unsigned int nr, char *why)
{
	int rc = 0;

	for (unsigned int i = 0; i < pairs->count && !rc; i++) {
		unsigned int k = 0;

		while (k < nr && strcmp(args[k].key, pairs->pairs[i].key) != 0)
			k++;
		if (k < nr)
			rc = take(device, &args[k], pairs->pairs[i].value, why);
		else
			rc = unknown(device, pairs->pairs[i].key, args, nr, why);
	}
	return rc;
}

int pmd_args_read(const char *device, const char *text, struct pmd_arg *args, unsigned int nr,
		  char *why)
{
	struct rte_kvargs *pairs = rte_kvargs_parse(text ? text : "", NULL);
	int rc;

	if (!pairs) {
		snprintf(why, PMD_WHY_MAX,
			 "%s: '%.80s' are no arguments: key=value is wanted, with commas between",
			 device, text);
		return -EINVAL;
	}
	rc = take_all(device, pairs, args, nr, why);
	rte_kvargs_free(pairs);
	for (unsigned int i = 0; i < nr && !rc; i++) {
		if (!args[i].required || args[i].given)
			continue;
		snprintf(why, PMD_WHY_MAX,
			 "%s: %s= is missing, %s: give it behind the name, '%s,%s=...'", device,
			 args[i].key, args[i].what, device, args[i].key);
		rc = -EINVAL;
	}
	return rc;
}
