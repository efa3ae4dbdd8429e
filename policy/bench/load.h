/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two ends of a measurement do with UDP: numbered datagrams as fast as they go, or one that
 * is sent back at a time. Ends by itself when its time is over.
 */
#ifndef POLICY_BENCH_LOAD_H
#define POLICY_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_MIN_SIZE 64
#define LOAD_MAX_SIZE 65507
#define LOAD_MAX_MS   600000
#define LOAD_GSO_SIZE 1448 /* of a datagram, when many are handed over at once */

enum load_kind { LOAD_SINK, LOAD_ECHO, LOAD_SEND, LOAD_PING, LOAD_ICMP };

struct load {
	enum load_kind kind;
	const char *address; /* of the peer, or what a sink and an echo listen on; numeric */
	uint32_t port;
	uint32_t size; /* of the IP packet; 0: many of LOAD_GSO_SIZE at once */
	uint32_t ms;
	uint64_t run; /* what is not of this run is not counted and not answered */
};

/**
 * load_run() - Do it, print one line of JSON to stdout
 *	sink	{"received", "bytes", "ns", "reordered", "alien"}: until SIGTERM or its time is over
 *	send	{"sent", "bytes", "ns"}
 *	ping, icmp {"samples", "lost", "rtt-us": {"min", "p50", "p99", "max"}}
 * Return: an exit status, a message on stderr.
 */
int load_run(const void *load);

#endif
