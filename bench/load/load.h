/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load program of the DPDK benchmarks, in parts: frames that are numbered and checked (frame.c), the
 * loads themselves (run.c), and what the scheduler did meanwhile (watch.c). One thread.
 */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_mbuf.h>

#define LOAD_BURST	 32
#define LOAD_SIZE_MIN	 60
#define LOAD_SIZE_MAX	 1514
#define LOAD_WATCH_MAX	 16 /* processes */
#define LOAD_THREADS_MAX 64
#define LOAD_HEADERS	 42 /* Ethernet, IPv4, UDP */

/* One way: what is sent on a port and comes out of the other. */
struct load_way {
	uint16_t from, to; /* ports */
	uint8_t id;
	uint64_t next;	   /* number of the frame sent next */
	uint64_t expected; /* number of the frame received next */
	uint64_t sent, received, lost, late, bad, foreign;
	uint32_t in_flight;
	uint8_t headers[LOAD_HEADERS]; /* of what is sent on @from, see load_frame_begin() */
};

struct load_spec {
	uint64_t seconds, size, flows, window, ways, warmup_ms, gap_us;
	pid_t watch[LOAD_WATCH_MAX];
	unsigned int nr_watch;
	/* One more than the number of a processor whose time counts as the switch's; 0: none. */
	uint64_t processor;
	/* What goes out of port 0 where there is a router; host order, 0: as if there were none. */
	uint32_t src, dst;
	uint32_t seen; /* the source that it has when it has come; 0: any */
	uint8_t gw[6]; /* the router's; all zero: none */
};

struct load_result {
	double seconds;
	uint64_t sent, received, lost, late, bad, foreign;
	double p50_us, p99_us; /* of round trips */
	uint64_t rounds, no_answer;
};

/* frame.c: all frames are of @pool and carry addresses of the ports they go between. */
int load_frame_init(uint16_t nr_ports);
/* Before a way's first frame: what its headers are. */
void load_frame_begin(const struct load_spec *spec, struct load_way *way);
/* A whole new frame. False: it is not to be had. */
struct rte_mbuf *load_frame_make(struct rte_mempool *pool, const struct load_spec *spec,
				 struct load_way *way);
/* Number it and send it again. */
void load_frame_renew(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way);
/* The same for one whose headers are another's now. */
void load_frame_restore(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way);
/* Number it and send it to where it came from, by whom it came from. */
void load_frame_return(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way);
/* Count a frame that came out of @way. Return: whether it may be sent again. */
bool load_frame_check(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way);

/* run.c: a load, the first spec->warmup_ms not counted. */
struct load_watch;
typedef void (*load_run_fn)(const struct load_spec *spec, struct rte_mempool *pool,
			    struct load_watch *watch, struct load_result *out);
/* Ports 0 and 1, @spec->window frames in flight each way, @spec->ways 1 or 2. */
void load_run_pair(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out);
/*
 * Port 0 to port 1, where each is turned round, and back: addresses may be translated, MACs a router's. All in all
 * spec->window frames in flight.
 */
void load_run_echo(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out);
/* One frame in flight: 0 to 1 and back, then nothing for spec->gap_us. */
void load_run_trip(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out);
/* Port 0 alone, as much as it takes; or whatever comes. */
void load_run_send(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out);
void load_run_receive(const struct load_spec *spec, struct rte_mempool *pool,
		      struct load_watch *watch, struct load_result *out);

/* watch.c: threads of the spec's processes and this one, from _begin() to _end(). */
struct load_watch {
	const struct load_spec *spec;
	struct load_thread {
		pid_t pid, tid;
		uint64_t run_ns, wait_ns;
	} threads[LOAD_THREADS_MAX];
	unsigned int nr;
	double wait;  /* of the thread that waited most in the run queue: its part of the time */
	double run_s; /* processor time of the watched processes' data-plane threads */
	double own_run_s; /* of this thread */
	double processor; /* the part of the time that spec->processor was not idle */
	uint64_t idle_ticks;
	double seconds;
	uint64_t begin_ns;
};

void load_watch_begin(struct load_watch *w, const struct load_spec *spec);
void load_watch_end(struct load_watch *w);

#endif
