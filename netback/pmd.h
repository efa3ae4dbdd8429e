/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our two DPDK drivers, net_xenvif and net_xenfront, share. */
#ifndef NETBACK_PMD_H
#define NETBACK_PMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_log.h>

#define PMD_WHY_MAX 512

/* Of both drivers: "--log-level=pmd.net.xen:debug". Never for each packet. */
extern int pmd_logtype;

#define pmd_log(level, ...) rte_log(RTE_LOG_##level, pmd_logtype, __VA_ARGS__)

/* One "key=value" of a device's arguments: a number, or a text. */
struct pmd_arg {
	const char *key;
	const char *what; /* it is, for messages: "the guest's domain id" */
	uint32_t min, max;
	uint32_t *number; /* set; NULL: a text */
	char *text;	  /* set */
	size_t size;	  /* of it */
	bool required;
	bool given; /* set */
};

/**
 * pmd_args_read() - Read what stands behind the device's name
 * @device:	Its name, for messages
 * @text:	"key=value,..."; may be empty
 * @args:	What there may be; what is not given keeps its value
 * @why:	On error a sentence with cause and cure, of PMD_WHY_MAX bytes
 * Return: 0; -EINVAL.
 */
int pmd_args_read(const char *device, const char *text, struct pmd_arg *args, unsigned int nr,
		  char *why);

/* The guest's side of a vif and the host's run in the program's own process: no other may share them. */
int pmd_refuse_secondary(const char *device);

#endif
