/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls of hv/store.h, made of xenstore requests; the same for all fillings. */
#include "hv/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/store_priv.h"

static struct iovec text(const char *s)
{
	return (struct iovec){ (void *)(uintptr_t)s, strlen(s) + 1 };
}

static int error_of(const struct store_reply *reply)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (strcmp(reply->data, xsd_errors[i].errstring) == 0)
			return -xsd_errors[i].errnum;
	return -EINVAL;
}

/* What the answer to a request of @type says. */
static int result_of(uint32_t type, const struct store_reply *reply)
{
	if (reply->type == XS_ERROR)
		return error_of(reply);
	return reply->type == type ? 0 : -EPROTO;
}

/* @reply_out NULL: only success matters. */
static int request(struct hv_store *s, uint32_t type, uint32_t tx, const struct iovec *body, int nr,
		   struct store_reply *reply_out)
{
	struct store_reply reply = { 0 };
	size_t size = 0;
	int rc;

	for (int i = 0; i < nr; i++)
		size += body[i].iov_len;
	if (size > XENSTORE_PAYLOAD_MAX)
		return -E2BIG;
	rc = s->ops->call(s, type, tx, body, nr, &reply);
	if (rc == 0)
		rc = result_of(type, &reply);
	if (rc == 0 && reply_out)
		*reply_out = reply;
	else
		free(reply.data);
	return rc;
}

static int request_path(struct hv_store *s, uint32_t type, uint32_t tx, const char *path,
			struct store_reply *reply_out)
{
	struct iovec body = text(path);

	return request(s, type, tx, &body, 1, reply_out);
}

int hv_store_read(struct hv_store *s, uint32_t tx, const char *path, char **value_out,
		  size_t *size_out)
{
	struct store_reply reply;
	int rc = request_path(s, XS_READ, tx, path, &reply);

	if (rc < 0)
		return rc;
	*value_out = reply.data;
	if (size_out)
		*size_out = reply.size;
	return 0;
}

int hv_store_write(struct hv_store *s, uint32_t tx, const char *path, const void *value,
		   size_t size)
{
	struct iovec body[2] = { text(path), { (void *)(uintptr_t)value, size } };

	return request(s, XS_WRITE, tx, body, size ? 2 : 1, NULL);
}

int hv_store_printf(struct hv_store *s, uint32_t tx, const char *path, const char *fmt, ...)
{
	va_list ap;
	char *value;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return -ENOMEM;
	rc = hv_store_write(s, tx, path, value, (size_t)rc);
	free(value);
	return rc;
}

int hv_store_read_u32(struct hv_store *s, uint32_t tx, const char *path, uint32_t max,
		      uint32_t *value_out)
{
	size_t size;
	char *value;
	int rc = hv_store_read(s, tx, path, &value, &size);

	if (rc < 0)
		return rc;
	/* A NUL within would hide what stands behind it. */
	rc = strlen(value) == size ? parse_u32(value, max, value_out) : -EINVAL;
	free(value);
	return rc;
}

static int call_each(struct hv_store *s, uint32_t tx, struct store_call *calls, unsigned int nr)
{
	int rc = 0;

	for (unsigned int i = 0; i < nr && !rc; i++) {
		rc = s->ops->call(s, calls[i].type, tx, calls[i].body, calls[i].nr,
				  &calls[i].reply);
		for (unsigned int k = 0; rc && k < i; k++)
			free(calls[k].reply.data);
	}
	return rc;
}

static struct store_call call_of(const struct hv_store_op *op)
{
	static const uint32_t types[] = {
		[HV_STORE_READ] = XS_READ,
		[HV_STORE_WRITE] = XS_WRITE,
		[HV_STORE_RM] = XS_RM,
	};
	struct store_call call = { .type = types[op->what], .body = { text(op->path) }, .nr = 1 };

	/* A write of nothing has no second part. */
	if (op->what == HV_STORE_WRITE && op->text[0])
		call.body[call.nr++] = (struct iovec){ (void *)(uintptr_t)op->text,
						       strlen(op->text) };
	return call;
}

int hv_store_all(struct hv_store *s, uint32_t tx, struct hv_store_op *ops, unsigned int nr)
{
	struct store_call *calls = calloc(nr ? nr : 1, sizeof(*calls));
	int rc = calls ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < nr && !rc; i++) {
		ops[i].value = NULL;
		calls[i] = call_of(&ops[i]);
		if (calls[i].body[0].iov_len + calls[i].body[1].iov_len > XENSTORE_PAYLOAD_MAX)
			rc = -E2BIG;
	}
	if (!rc)
		rc = (s->ops->call_all ? s->ops->call_all : call_each)(s, tx, calls, nr);
	for (unsigned int i = 0; i < nr && !rc; i++) {
		struct store_reply *reply = &calls[i].reply;

		ops[i].rc = result_of(calls[i].type, reply);
		if (!ops[i].rc && ops[i].what == HV_STORE_READ) {
			ops[i].value = reply->data;
			ops[i].size = reply->size;
		} else {
			free(reply->data);
		}
	}
	free(calls);
	return rc;
}

int hv_store_mkdir(struct hv_store *s, uint32_t tx, const char *path)
{
	return request_path(s, XS_MKDIR, tx, path, NULL);
}

int hv_store_rm(struct hv_store *s, uint32_t tx, const char *path)
{
	return request_path(s, XS_RM, tx, path, NULL);
}

/* One part of a long list, behind what @list has. 1: that was the last; 0; -EAGAIN: it changed. */
static int directory_part(struct hv_store *s, uint32_t tx, const char *path,
			  struct store_reply *list, char gen[24])
{
	char from[24], *grown;
	struct iovec body[2] = { text(path), { from, 0 } };
	struct store_reply part;
	size_t head, size;
	bool last;
	int rc;

	body[1].iov_len = (size_t)snprintf(from, sizeof(from), "%zu", list->size) + 1;
	rc = request(s, XS_DIRECTORY_PART, tx, body, 2, &part);
	if (rc < 0)
		return rc;
	head = strlen(part.data) + 1;
	size = part.size - head;
	rc = -EPROTO;
	/* Names end in NUL; an empty name says that the list ends. */
	if (head >= part.size || head > 24 || part.data[part.size - 1])
		goto out;
	rc = -EAGAIN;
	if (*gen && strcmp(gen, part.data) != 0)
		goto out;
	memcpy(gen, part.data, head);
	last = size == 1 || !part.data[part.size - 2];
	size -= last;
	rc = -EPROTO;
	if (!size && !last)
		goto out;
	rc = -ENOMEM;
	grown = realloc(list->data, list->size + size + 1);
	if (!grown)
		goto out;
	memcpy(grown + list->size, part.data + head, size);
	list->data = grown;
	list->size += size;
	rc = last;
out:
	free(part.data);
	return rc;
}

static int directory_long(struct hv_store *s, uint32_t tx, const char *path,
			  struct store_reply *list)
{
	char gen[24] = "";
	int rc;

	*list = (struct store_reply){ 0 };
	while ((rc = directory_part(s, tx, path, list, gen)) == 0 || rc == -EAGAIN) {
		if (rc == 0)
			continue;
		list->size = 0;
		gen[0] = '\0';
	}
	if (rc == 1)
		return 0;
	free(list->data);
	return rc;
}

static int split_names(struct store_reply *list, char ***names_out, unsigned int *nr_out)
{
	unsigned int nr = 0;
	char **names, *at;

	if (list->size && list->data[list->size - 1])
		return -EPROTO;
	for (size_t i = 0; i < list->size; i++)
		nr += !list->data[i];
	names = malloc((nr + 1) * sizeof(*names) + list->size);
	if (!names)
		return -ENOMEM;
	at = (char *)(names + nr + 1);
	if (list->size)
		memcpy(at, list->data, list->size);
	for (unsigned int i = 0; i < nr; i++) {
		names[i] = at;
		at += strlen(at) + 1;
	}
	names[nr] = NULL;
	*names_out = names;
	*nr_out = nr;
	return 0;
}

int hv_store_directory(struct hv_store *s, uint32_t tx, const char *path, char ***names_out,
		       unsigned int *nr_out)
{
	struct store_reply list;
	int rc = request_path(s, XS_DIRECTORY, tx, path, &list);

	if (rc == -E2BIG && strlen(path) < XENSTORE_ABS_PATH_MAX)
		rc = directory_long(s, tx, path, &list);
	if (rc < 0)
		return rc;
	rc = split_names(&list, names_out, nr_out);
	free(list.data);
	return rc;
}

int hv_store_set_perms(struct hv_store *s, uint32_t tx, const char *path,
		       const struct hv_store_perm *perms, unsigned int nr)
{
	static const char letters[] = "nrwb";
	struct iovec body[STORE_IOV_MAX] = { text(path) };
	char texts[STORE_IOV_MAX][8];

	if (nr < 1 || nr >= STORE_IOV_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%c%u",
			 letters[perms[i].read + 2 * perms[i].write], perms[i].domid);
		body[i + 1] = text(texts[i]);
	}
	return request(s, XS_SET_PERMS, tx, body, (int)nr + 1, NULL);
}

int hv_store_transaction_start(struct hv_store *s, uint32_t *tx_out)
{
	struct store_reply reply = { 0 };
	int rc = request_path(s, XS_TRANSACTION_START, 0, "", &reply);

	if (rc < 0)
		return rc;
	rc = parse_u32(reply.data, UINT32_MAX, tx_out);
	free(reply.data);
	return rc < 0 || !*tx_out ? -EPROTO : 0;
}

int hv_store_transaction_end(struct hv_store *s, uint32_t tx, bool commit)
{
	return request_path(s, XS_TRANSACTION_END, tx, commit ? "T" : "F", NULL);
}

int hv_store_introduced(struct hv_store *s, uint16_t domid, bool *introduced_out)
{
	struct store_reply reply;
	char text[8];
	int rc;

	snprintf(text, sizeof(text), "%u", domid);
	rc = request_path(s, XS_IS_DOMAIN_INTRODUCED, 0, text, &reply);
	if (rc < 0)
		return rc;
	*introduced_out = *reply.data == 'T';
	free(reply.data);
	return 0;
}

int hv_store_watch(struct hv_store *s, const char *path, const char *token)
{
	struct iovec body[2] = { text(path), text(token) };

	return request(s, XS_WATCH, 0, body, 2, NULL);
}

int hv_store_unwatch(struct hv_store *s, const char *path, const char *token)
{
	struct iovec body[2] = { text(path), text(token) };

	return request(s, XS_UNWATCH, 0, body, 2, NULL);
}

int hv_store_fd(struct hv_store *s)
{
	return s->ops->fd(s);
}

int hv_store_next_event(struct hv_store *s, char **path_out, char **token_out)
{
	return s->ops->next_event(s, path_out, token_out);
}

void hv_store_close(struct hv_store *s)
{
	if (s)
		s->ops->close(s);
}

int store_parse_event(const char *data, size_t size, char **path_out, char **token_out)
{
	const char *end = memchr(data, '\0', size);
	size_t at;
	char *copy;

	if (!end)
		return -EPROTO;
	at = (size_t)(end - data) + 1;
	if (!memchr(data + at, '\0', size - at))
		return -EPROTO;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	*path_out = copy;
	*token_out = copy + at;
	return 0;
}
