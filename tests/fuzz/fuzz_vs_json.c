/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps and the record as a damaged journal or state file may have them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "vswitch/vswitch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	char text[VS_OP_TEXT_LEN];
	struct vs_record record;
	struct vs_step step;

	if (!json)
		return 0;
	if (!vs_step_from_json(json, &step)) {
		vs_op_text(&step.op, text);
		vs_op_text(&step.undo, text);
		vs_step_fini(&step);
	}
	if (!vs_record_from_json(json, &record)) {
		json_t *again = vs_record_json(&record);

		if (!again)
			abort();
		json_decref(again);
		vs_record_fini(&record);
	}
	json_decref(json);
	return 0;
}
