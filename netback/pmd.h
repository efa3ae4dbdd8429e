/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our two DPDK drivers, net_xenvif and net_xenfront, share. */
#ifndef NETBACK_PMD_H
#define NETBACK_PMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_log.h>

#define PMD_WHY_MAX 512

struct rte_eth_dev;
struct rte_tel_data;

/* Of both drivers: "--log-level=pmd.net.xen:debug". Never for each packet. */
extern int pmd_logtype;

#define pmd_log(level, ...) rte_log(RTE_LOG_##level, pmd_logtype, __VA_ARGS__)

/* Counters have one writer, a queue's lcore, and any reader. */
static inline void pmd_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t pmd_counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

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

/* Whether a device that is there has the driver that asks. */
typedef bool (*pmd_is_ours_fn)(const struct rte_eth_dev *dev);

/**
 * pmd_telemetry_list() - Answer with the numbers of a driver's ports
 * @d:		Set
 *
 * Context: DPDK's telemetry thread, like the next.
 * Return: 0.
 */
int pmd_telemetry_list(pmd_is_ours_fn is_ours, struct rte_tel_data *d);

/**
 * pmd_telemetry_port() - Find the port that a command is for
 * @params:	What stands behind the command's name: a port's number; may be NULL
 * Return: the port's own struct; NULL: no port of the driver's.
 */
void *pmd_telemetry_port(pmd_is_ours_fn is_ours, const char *params);

#endif
