/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan as a transaction: the journal says what will be done, the steps are done, the new state is
 * saved, the journal goes. Whatever is interrupted, the next apply_recover() ends in the old state or
 * in the new one.
 */
#ifndef POLICY_APPLY_H
#define POLICY_APPLY_H

#include <stdbool.h>

#include <jansson.h>

#include "base/diag.h"
#include "vswitch/vswitch.h"

/* What holds: on disk in DIR/state.json, and here. */
struct apply_state {
	struct vs_record record;
	char *file, *text; /* the policy; NULL: none */
	json_int_t serial; /* of the transaction that made it */
};

struct apply {
	struct vs_system *sys; /* borrowed */
	const char *dir;       /* of journal and state; exists; borrowed */
	struct apply_state state;
	bool is_broken; /* a rollback failed: its journal waits for the next apply_recover() */
	unsigned int fault_at; /* tests: SIGKILL at that point, counted from 1; 0: never */
	unsigned int points;
};

struct apply_result {
	json_t *steps; /* for people, vs_plan_json() */
	size_t nr_steps;
	size_t failed_step;  /* from 1; 0: none */
	uint64_t nr_changes; /* state-changing messages, those of a rollback too */
	char why[512];	     /* of the failure */
	bool is_rolled_back; /* verified by its steps' success */
};

/* Zeroed @a with sys, dir set. Loads the state; undoes or completes what a predecessor left. */
int apply_recover(struct apply *a);
void apply_fini(struct apply *a);

/**
 * apply_plan() - Only look
 * Return: 0 with result->steps; -EINVAL: see @ds; -errno.
 */
int apply_plan(struct apply *a, const struct vs_wanted *wanted, struct diags *ds,
	       struct apply_result *result);
/**
 * apply_run() - Make it so
 * @file, @text: The policy that @wanted came from; NULL for none
 * Return: 0; -EINVAL: see @ds, nothing done; -ECANCELED: result->why, rolled back; -ENOTRECOVERABLE:
 *	   the rollback failed too; -EBUSY: an earlier one did; -errno: nothing done.
 */
int apply_run(struct apply *a, const struct vs_wanted *wanted, const char *file, const char *text,
	      struct diags *ds, struct apply_result *result);
void apply_result_fini(struct apply_result *result);

#endif
