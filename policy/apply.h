/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan as a transaction. The journal says what will be done, the steps are done, and then the
 * transaction is open: apply_commit() saves the new state and drops the journal, apply_rollback() undoes
 * the steps. Whatever is interrupted, the next apply_recover(), in any process, ends in the old state or
 * in the new one.
 */
#ifndef POLICY_APPLY_H
#define POLICY_APPLY_H

#include <stdbool.h>

#include <jansson.h>

#include "base/diag.h"
#include "policy/journal.h"
#include "vswitch/vswitch.h"

#define APPLY_ID_LEN 17 /* 16 hexadecimal digits and the NUL */

/* What holds: on disk in DIR/state.json, and here. */
struct apply_state {
	struct vs_record record;
	char *file, *text; /* the policy; NULL: none */
	json_int_t serial; /* of the transaction that made it */
};

/* Steps that were done and are neither committed nor undone. */
struct apply_open {
	bool is_open;
	struct journal journal;
	struct vs_step *steps;
	size_t nr_steps;
	struct apply_state old;
	json_t *state;		   /* what the commit saves */
	json_t *meta;		   /* the caller's own, from the journal */
	struct vs_look look;	   /* that @before was read with */
	struct vs_observed before; /* what was there; links none: read back from a journal */
	bool has_before;
};

struct apply {
	struct vs_system *sys;	  /* borrowed */
	const char *dir;	  /* of journal and state; exists; borrowed */
	struct apply_state state; /* of an open transaction: the new one */
	struct apply_open open;
	bool is_broken; /* a rollback failed: its journal waits for the next apply_recover() */
	unsigned int fault_at; /* tests: SIGKILL at that point, counted from 1; 0: never */
	bool fault_stops;      /* tests: SIGSTOP in its place */
	unsigned int points;
};

struct apply_result {
	char id[APPLY_ID_LEN]; /* of the plan: the same policy, state and steps give the same */
	json_t *steps;	       /* for people, vs_plan_json() */
	size_t nr_steps;
	size_t failed_step;  /* from 1; 0: none */
	uint64_t nr_changes; /* state-changing messages, those of a rollback too */
	char why[512];	     /* of the failure */
	bool is_rolled_back; /* all steps were undone, and what they touched is as before */
};

struct apply_wish {
	const struct vs_wanted *wanted;
	const char *file, *text; /* the policy that @wanted came from; NULL: none */
	json_t *meta; /* kept in the journal as long as the transaction is open; NULL: none */
	const char *only_id; /* that plan and no other; NULL: any */
	/* Called with the plan made and nothing done: anything but 0 ends it. NULL: none. */
	int (*may)(void *arg, const struct apply *a, const struct vs_observed *before,
		   const struct vs_plan *plan, struct apply_result *result);
	void *arg;
};

/* Zeroed @a with sys, dir set. Loads the state; undoes or completes what a predecessor left. */
int apply_recover(struct apply *a);
/*
 * As apply_recover(); but a transaction whose steps were all done is opened again when @keep says so.
 * @keep: @meta as it was given, @notes what apply_note() added, an array.
 */
int apply_resume(struct apply *a, bool (*keep)(void *arg, const json_t *meta, const json_t *notes),
		 void *arg);
/* What is open stays in the journal. */
void apply_fini(struct apply *a);

/**
 * apply_plan() - Only look
 * Return: 0 with result->steps; -EINVAL: see @ds; -errno.
 */
int apply_plan(struct apply *a, const struct apply_wish *wish, struct diags *ds,
	       struct apply_result *result);
/**
 * apply_begin() - Do all that is to be done, and leave it open
 * Return: 0, with a->open.is_open unless all was so already; -EINVAL: see @ds, nothing done; -ESTALE: the
 *	   plan is not the one asked for; -ECANCELED: result->why, rolled back; -ENOTRECOVERABLE: the rollback
 *	   failed too; -EBUSY: an earlier one did, or one is open; what wish->may said; -errno: nothing done.
 */
int apply_begin(struct apply *a, const struct apply_wish *wish, struct diags *ds,
		struct apply_result *result);
/* One more entry for the journal of what is open. @note: stolen. */
int apply_note(struct apply *a, json_t *note);
/* Return: 0; -errno with result->why: it is still open. */
int apply_commit(struct apply *a, struct apply_result *result);
/* Return: 0; -ENOTRECOVERABLE with result->why. */
int apply_rollback(struct apply *a, struct apply_result *result);
/* Begin and commit. Return: as apply_begin(). */
int apply_run(struct apply *a, const struct apply_wish *wish, struct diags *ds,
	      struct apply_result *result);
void apply_result_fini(struct apply_result *result);

#endif
