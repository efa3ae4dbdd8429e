/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The toolstack with a real xenstore server in this process, asked over its JSON-RPC socket. Its
 * host is fake: an array of domains that a test ends as it likes; those of type "pvh" have a kernel of
 * their own, start slowly and can be asked. A program that links this has no engine.
 */
#ifndef TESTS_UTIL_TOOL_FIXTURE_H
#define TESTS_UTIL_TOOL_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/tool_priv.h"

#define FAKE_DOMAINS 64

/* A card that is being plugged in or taken out: done is the test's to call. */
struct fake_nic {
	unsigned int devid;
	void (*done)(void *arg, const char *error);
	void *arg;
};

struct fake_domain {
	struct tool_host_info info;
	cpu_set_t cpus, vcpu_cpus[8];
	char cmdline[256], kernel[64];
	uint64_t kernel_size; /* bytes, of one that it was started with */
	unsigned int max_memory_mib, max_vcpus, weight, cap;
	struct engine_question asked; /* last; its done() is the test's to call */
	engine_done *paused;	      /* with slow_pause: the test's to call */
	void *paused_arg;
	struct fake_nic nic, disk;
	unsigned int nr_plugged, nr_asked_out, nr_cut;
	bool exists, shutdown_asked, restored;
};

struct engine {
	struct fake_domain domains[FAKE_DOMAINS];
	uint16_t last;
	int fail_create, fail_start, fail_pause, fail_ask, fail_nic; /* -errno */
	bool finding_out; /* whoever asks waits; the last one's to be called */
	void (*ready)(void *arg, int rc);
	void *ready_arg;
	bool slow_pause; /* vCPUs do not stand still at once */
};

struct fixture {
	struct loop *loop;
	struct engine engine;
	struct tool_host host;
	struct xs_server *xenstore;
	struct hv_store *store; /* the test's own */
	struct tool *tool;
	struct rpc_server *rpc;
	char dir[64], socket[96];
};

/* A call from another thread, as rpc_call() blocks; the loop turns here until it is answered. */
struct call {
	pthread_t thread;
	const char *socket, *method;
	json_t *params, *result;
	int rc;
	bool done;
};

/* The toolstack and its socket. */
void fixture_start(struct fixture *f);
/* As the death of the daemon, for the toolstack: its domains and the tree live on. */
void fixture_stop(struct fixture *f);
/* For cmocka: *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Ask, from another thread. @params: stolen. */
void call_begin(struct fixture *f, struct call *c, const char *method, json_t *params);
/* Turn the loop until @c is answered, at most @ms. Return: whether it is. */
bool call_turn(struct fixture *f, struct call *c, int ms);
/* Its result, or error object, with @want from rpc_call(). */
json_t *call_finish(struct fixture *f, struct call *c, int want);
/* It must be answered well. */
json_t *call(struct fixture *f, const char *method, json_t *params);
void call_drop(struct fixture *f, const char *method, json_t *params);
/* It must be refused with @code; @message, if given, is part of why. */
void call_refused(struct fixture *f, const char *method, json_t *params, const char *code,
		  const char *message);
/* Of an xl.cfg text. */
json_t *config_of(const char *text);
/* Return: the domid of a domain of that xl.cfg text. */
uint16_t create_ok(struct fixture *f, const char *text);

#endif
