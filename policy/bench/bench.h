/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vifrost bench: the operator's measurement of this host.
 *
 *	paths.c    which two ends, on which network      ends.c   where an end is, guests of our own
 *	measure.c  one row: windows, their median        load.c   what an end does (vifrost-load)
 *	sample.c   what the host did meanwhile           child.c  processes in an end's network
 *	report.c   the document as a table               judge.c  against objectives, against another document
 *
 * All results are one JSON document, BENCH_SCHEMA, as vifrost(8) has it; tables and plots are made of that.
 */
#ifndef POLICY_BENCH_BENCH_H
#define POLICY_BENCH_BENCH_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/rundir.h"

#define BENCH_SCHEMA	  "vifrost/bench/v1"
#define BENCH_HOST	  "host"
#define BENCH_GUEST	  "guest" /* one of our own */
#define BENCH_WHY	  640
#define BENCH_PORT	  5299
#define BENCH_MAX_PATHS	  64
#define BENCH_OTHERS_MAX  0.10 /* of one CPU: the machine had other work */
#define BENCH_MAX_WINDOWS 20
#define BENCH_MAX_PIDS	  64
#define BENCH_ADDRESS_LEN (INET6_ADDRSTRLEN + IFNAMSIZ + 1)

/* Of a guest of our own, where the network has subnets. */
struct bench_address {
	char ip[INET6_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	uint32_t length; /* of the subnet; 0: none */
};

/* An end of a path. */
struct bench_end {
	char name[256];		/* as the operator says it: BENCH_HOST, a guest, an address */
	char network[IFNAMSIZ]; /* "": none of the policy */
	char vif[32];		/* of a guest: netback's name for it */
	int domid;		/* -1: none */
	pid_t pid;		/* whose network it is; 0: out of reach, something listens there */
	bool is_own;		/* a guest that we made */
	struct bench_address given;
	bool is_host;
	char v4[BENCH_ADDRESS_LEN], v6[BENCH_ADDRESS_LEN], link_local[BENCH_ADDRESS_LEN];
	char device[IFNAMSIZ]; /* that has them, in its own network */
};

struct bench_path {
	char network[IFNAMSIZ], mode[16], datapath[32];
	const char *from, *to; /* as asked for; NULL: a guest of our own */
	struct bench_end *ends[2];
	char address[BENCH_ADDRESS_LEN];      /* of the second, as the first says it */
	char back_address[BENCH_ADDRESS_LEN]; /* the other way */
};

enum bench_test { BENCH_STREAM, BENCH_PACKETS, BENCH_ROUND_TRIP };

struct bench_row {
	enum bench_test test;
	bool udp;
	uint32_t size; /* bytes; 0: as large as it gets, "gso" */
};

/* What is to be measured, and with what. */
struct bench {
	const char *rundir;
	uint32_t duration_ms, windows, port;
	json_t *status; /* vifrostd's */
	json_t *policy; /* in force; NULL: not asked for yet */
	bool quiet, has_core;
	/* Guests of our own. */
	struct bench_end *ends[2 * BENCH_MAX_PATHS + 2];
	size_t nr_ends;
	unsigned int nr_guests;
	uint32_t life_s; /* of those */
	uint64_t run;	 /* tells our packets from others' */
	json_t *results, *failed;
	unsigned int done, planned; /* windows, for the progress bar */
};

const char *bench_test_name(enum bench_test test);
/* "gso" or the number. */
const char *bench_size_text(uint32_t size, char text[16]);

/* ---- child.c: processes in a network namespace that end with us ---- */

struct bench_child {
	pid_t pid;
	int fd; /* what it prints; -1: closed */
};

/* SIGINT, SIGTERM, SIGHUP: whoever waits below returns -EINTR from then on. */
void bench_catch_signals(void);
bool bench_interrupted(void);

/**
 * bench_child_start() - Run @argv, or @fn, in the network of process @netns (0: in our own)
 * It is killed when we end, however that is.
 * @fn:		returns the exit status; prints to its stdout
 */
int bench_child_start(struct bench_child *c, pid_t netns, const char *const *argv,
		      int (*fn)(const void *arg), const void *arg);
/**
 * bench_child_wait() - Until it ends, what it printed as text
 * @text_out:	NULL: thrown away; else the caller's, at most 1 MiB
 * Return: its exit status; -ETIMEDOUT, -EINTR: it was killed; -errno.
 */
int bench_child_wait(struct bench_child *c, int timeout_ms, char **text_out);
/* Until it listens on the TCP or bound the UDP @port. Return: 0; -ETIMEDOUT; -ECHILD it has ended; -EINTR. */
int bench_child_listens(const struct bench_child *c, uint32_t port, bool udp, int timeout_ms);
/* SIGTERM, so that it says what it has. Safe on one that was never started. */
void bench_child_end(struct bench_child *c);
void bench_child_kill(struct bench_child *c);
/* -EINTR when a signal came. */
int bench_sleep(unsigned int ms);

/* ---- sample.c: what the host did ---- */

struct bench_sample {
	uint64_t at_ns;
	double machine_s; /* CPU time of all */
	double ours_s;	  /* of what takes part, with the kernel's packet work */
	uint64_t netback_cpu_ns, netback_wait_ns; /* all of its threads */
	uint64_t softnet_dropped, softnet_squeezed;
	json_t *counters; /* of the path's vifs, flat: {"from-guest.frames": N, ...} */
};

/* Whose CPU time counts as the path's own. */
struct bench_watch {
	pid_t netback, pids[BENCH_MAX_PIDS];
	unsigned int nr_pids;
	pid_t ends[2]; /* 0: out of reach */
	char vifs[2][32], devices[2][IFNAMSIZ];
};

void bench_watch_path(const struct bench *b, const struct bench_path *path, struct bench_watch *w);
void bench_sample(const struct bench *b, const struct bench_watch *w, struct bench_sample *out);
void bench_sample_fini(struct bench_sample *s);
/* The status of one vif by netback, as counters. Takes what is a number. */
void bench_flatten(json_t *into, const json_t *vif);
/* {"CPU", "cpus", "kernel"} of this machine, programs' versions. */
json_t *bench_machine(void);

/* ---- address.c ---- */

/**
 * bench_free_address() - The last IPv4 address of @network's first subnet that is free
 * @policy:	as vifrostd shows it
 * @others:	anything else with addresses in it
 * Return: 0; -ENOENT: it has no such subnet; -ENOSPC.
 */
int bench_free_address(const json_t *policy, const json_t *others, const char *network,
		       struct bench_address *out);

/* ---- ends.c, paths.c ---- */

/* Where the end @name of a path on @network is. It is @b's. */
int bench_end_open(struct bench *b, const char *name, const char *network, struct bench_end **out,
		   char why[BENCH_WHY]);
/* Takes our guests away. */
void bench_ends_close(struct bench *b);
/* vifrostd's word anew. */
int bench_status(struct bench *b, char why[BENCH_WHY]);
/* What addresses it has now. */
int bench_end_addresses(struct bench_end *end);
/* Both ends, until one answers the other. */
int bench_path_open(struct bench *b, struct bench_path *path, char why[BENCH_WHY]);

/* ---- measure.c ---- */

/* Adds one entry to b->results. Return: 0; -EINTR; -errno with @why. */
int bench_measure(struct bench *b, const struct bench_path *path, const struct bench_row *row,
		  char why[BENCH_WHY]);
void bench_progress(const struct bench *b, const char *what);
void bench_progress_end(const struct bench *b);

/* ---- stats.c ---- */

/* Sort @v. 0 when there are none. */
double bench_percentile(double *v, size_t nr, double percent);
double bench_median(double *v, size_t nr);
/* Largest difference from the median, as a part of it. */
double bench_spread(double *v, size_t nr);

/* ---- report.c, judge.c ---- */

/* Checks that @doc is one of ours, whole enough to be read. Return: 0; -EINVAL with @why. */
int bench_document_check(const json_t *doc, char why[BENCH_WHY]);
void bench_print(const json_t *doc, FILE *out);
/* What @counters of netback and softnet say about where packets and time went: {"ring-full": N, ...}. */
json_t *bench_attribution(const json_t *counters, uint64_t softnet_dropped,
			  uint64_t softnet_squeezed);
/* "xenbr0 guest-host tcp gso stream": the same in every run. */
void bench_key(const json_t *result, char *text, size_t size);
/**
 * bench_objectives() - Each of the policy's objectives against what was measured
 * Return: an array of {name, from, to, what, wanted, measured, state: reached|missed|unmeasured, text}.
 */
json_t *bench_objectives(const json_t *policy, const json_t *doc);
/**
 * bench_compare() - Row by row, what became of it
 * @threshold:	beyond this part, and what both runs' spread explains, a change counts
 * Return: an array of {key, what, before, after, change, bound, verdict: better|worse|same|new|gone}.
 */
json_t *bench_compare(const json_t *before, const json_t *after, double threshold);
void bench_print_objectives(const json_t *list, FILE *out);
void bench_print_compare(const json_t *list, FILE *out);
/* How many entries say @value at @key. */
unsigned int bench_count(const json_t *list, const char *key, const char *value);

#endif
