/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of an xl.cfg into the JSON of domain.create, each checked by its key's type. */
#include "hv/xlcfg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hv/xlcfg_priv.h"

#define NAME_LEN_MAX 63

struct builder {
	const struct xlcfg_settings *s;
	json_t *config;
	unsigned int type; /* one bit of enum xlcfg_domain_type */
	const char *type_name;
};

static void fail(const struct builder *b, const struct xlcfg_value *v, size_t offset,
		 const char *hint, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void fail(const struct builder *b, const struct xlcfg_value *v, size_t offset,
		 const char *hint, const char *fmt, ...)
{
	struct diag_place place = xlcfg_place(v, offset);
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	diag_add(b->s->diags, DIAG_ERROR, "XL0203", &place, hint, "%s", message);
}

static const struct xlcfg_value *setting(const struct builder *b, const char *name)
{
	const struct xlcfg_value *v = &b->s->values[xlcfg_key_find(b->s->table, name)];

	return v->file ? v : NULL;
}

static json_t *text_value(const struct builder *b, const char *name, const struct xlcfg_value *v,
			  bool may_be_empty)
{
	json_t *text;

	if (v->list || (!v->len && !may_be_empty)) {
		fail(b, v, 0,
		     may_be_empty ? "allowed: one string" : "allowed: one string, not empty",
		     "'%s' has no usable value", name);
		return NULL;
	}
	text = json_stringn(v->text, v->len);
	if (!text)
		fail(b, v, 0, "allowed: UTF-8", "the value of '%s' cannot be read", name);
	return text;
}

static json_t *build_string(struct builder *b, const struct xlcfg_key *key,
			    const struct xlcfg_value *v)
{
	return text_value(b, key->name, v, key->type == KEY_TEXT);
}

static json_t *build_number(struct builder *b, const struct xlcfg_key *key,
			    const struct xlcfg_value *v)
{
	unsigned long long value = 0;
	char *end = NULL, hint[64];
	bool good = !v->list && isdigit((unsigned char)*v->text);

	if (good) {
		errno = 0;
		value = strtoull(v->text, &end, 0);
		good = !errno && !*end && value >= key->min && value <= key->max;
	}
	if (good)
		return json_integer((json_int_t)value);
	snprintf(hint, sizeof(hint), "allowed: %llu to %llu", (unsigned long long)key->min,
		 (unsigned long long)key->max);
	fail(b, v, 0, hint, "'%s' needs a number", key->name);
	return NULL;
}

static json_t *build_choice(struct builder *b, const struct xlcfg_key *key,
			    const struct xlcfg_value *v)
{
	char hint[160] = "allowed: ";

	for (const char *const *c = key->choices; *c; c++) {
		if (!v->list && !strcmp(*c, v->text))
			return json_string(*c);
		snprintf(hint + strlen(hint), sizeof(hint) - strlen(hint), "%s\"%s\"",
			 c == key->choices ? "" : ", ", *c);
	}
	fail(b, v, 0, hint, "'%s' has no such value", key->name);
	return NULL;
}

static json_t *build_command(struct builder *b, const struct xlcfg_key *key,
			     const struct xlcfg_value *v)
{
	json_t *argv, *word;

	if (!v->list) {
		word = text_value(b, key->name, v, false);
		return word ? json_pack("[s, s, o]", "/bin/sh", "-c", word) : NULL;
	}
	if (!v->nr) {
		fail(b, v, 0, "allowed: [\"program\", \"argument\", ...]", "'%s' is an empty list",
		     key->name);
		return NULL;
	}
	argv = json_array();
	for (size_t i = 0; i < v->nr; i++) {
		word = text_value(b, key->name, &v->items[i], i > 0);
		if (!word) {
			json_decref(argv);
			return NULL;
		}
		json_array_append_new(argv, word);
	}
	return argv;
}

static json_t *build_words(struct builder *b, const struct xlcfg_key *key,
			   const struct xlcfg_value *v)
{
	const struct xlcfg_value *items = v->list ? v->items : v;
	json_t *words = json_array(), *word;

	for (size_t i = 0; i < (v->list ? v->nr : 1); i++) {
		word = text_value(b, key->name, &items[i], false);
		if (!word) {
			json_decref(words);
			return NULL;
		}
		json_array_append_new(words, word);
	}
	return words;
}

static json_t *build_args(struct builder *b, const struct xlcfg_key *key,
			  const struct xlcfg_value *v)
{
	static const char spaces[] = " \t\n";
	json_t *words, *word;
	const char *p;

	if (v->list)
		return build_words(b, key, v);
	words = json_array();
	for (p = v->text + strspn(v->text, spaces); *p; p += strspn(p, spaces)) {
		size_t len = strcspn(p, spaces);

		word = json_stringn(p, len);
		if (!word) {
			fail(b, v, 0, "allowed: UTF-8", "the value of '%s' cannot be read",
			     key->name);
			json_decref(words);
			return NULL;
		}
		json_array_append_new(words, word);
		p += len;
	}
	return words;
}

static json_t *cpus_value(struct builder *b, const struct xlcfg_key *key,
			  const struct xlcfg_value *v)
{
	const char *why = "allowed: \"0-3,5,^1\"";
	size_t offset = 0;
	cpu_set_t set;

	if (!v->list && !xlcfg_parse_cpus(v->text, &set, &offset, &why))
		return json_string(v->text);
	fail(b, v, offset, why, "'%s' is not a list of CPUs", key->name);
	return NULL;
}

static json_t *build_cpus(struct builder *b, const struct xlcfg_key *key,
			  const struct xlcfg_value *v)
{
	json_t *lists, *item;

	if (!v->list)
		return cpus_value(b, key, v);
	lists = json_array();
	for (size_t i = 0; i < v->nr; i++) {
		item = cpus_value(b, key, &v->items[i]);
		if (!item) {
			json_decref(lists);
			return NULL;
		}
		json_array_append_new(lists, item);
	}
	return lists;
}

static json_t *build_devices(struct builder *b, const struct xlcfg_key *key,
			     const struct xlcfg_value *v)
{
	bool vifs = key->type == KEY_VIFS, failed = false;
	json_t *devices = json_array(), *device;

	if (!v->list || (vifs && v->nr > XLCFG_VIFS_MAX)) {
		fail(b, v, 0,
		     vifs ? "allowed: [ 'keyword=value,...', ... ], at most 256"
			  : "allowed: [ 'target,format,vdev,access', ... ]",
		     "'%s' needs a list", key->name);
		failed = true;
	}
	for (size_t i = 0; v->list && i < v->nr; i++) {
		const struct xlcfg_value *item = &v->items[i];
		struct diag_place place = xlcfg_place(item, 0);
		int rc;

		if (item->list) {
			fail(b, item, 0, "allowed: one string for each", "'%s' entries are strings",
			     key->name);
			failed = true;
			continue;
		}
		rc = vifs ? xlcfg_parse_vif(item->text, &place, b->s->diags, &device)
			  : xlcfg_parse_disk(item->text, &place, b->s->diags, &device);
		if (rc)
			failed = true;
		else
			json_array_append_new(devices, device);
	}
	if (failed) {
		json_decref(devices);
		return NULL;
	}
	return devices;
}

static json_t *(*const builders[])(struct builder *b, const struct xlcfg_key *key,
				   const struct xlcfg_value *v) = {
	[KEY_STRING] = build_string, [KEY_TEXT] = build_string,	  [KEY_NUMBER] = build_number,
	[KEY_BOOL] = build_number,   [KEY_CHOICE] = build_choice, [KEY_COMMAND] = build_command,
	[KEY_CPUS] = build_cpus,     [KEY_VIFS] = build_devices,  [KEY_DISKS] = build_devices,
	[KEY_WORDS] = build_words,   [KEY_ARGS] = build_args,
};

/* type=, else what builder= means, else pv as xl. */
static void find_type(struct builder *b)
{
	static const struct {
		const char *name, *type;
		unsigned int bit;
	} names[] = {
		{ "ns", "ns", TYPE_NS },      { "pv", "pv", TYPE_PV },
		{ "pvh", "pvh", TYPE_PVH },   { "hvm", "hvm", TYPE_HVM },
		{ "generic", "pv", TYPE_PV }, { "linux", "pv", TYPE_PV },
	};
	const struct xlcfg_value *v = setting(b, "type");

	b->type = TYPE_PV;
	b->type_name = "pv";
	if (!v)
		v = setting(b, "builder");
	for (size_t i = 0; v && !v->list && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i].name, v->text)) {
			b->type = names[i].bit;
			b->type_name = names[i].type;
		}
	/* A paravirtualised kernel in a PVH container: what type "pv" is here anyway. */
	v = setting(b, "pvshim");
	if (b->type == TYPE_PVH && v && !v->list && strtoull(v->text, NULL, 0) == 1) {
		b->type = TYPE_PV;
		b->type_name = "pv";
	}
}

static void build_settings(struct builder *b)
{
	for (size_t i = 0; i < b->s->table->nr; i++) {
		const struct xlcfg_key *key = &b->s->table->keys[i];
		const struct xlcfg_value *v = &b->s->values[i];
		struct diag_place place = xlcfg_place(v, 0);
		json_t *value = NULL;

		if (!v->file)
			continue;
		if (key->type != KEY_ANY)
			value = builders[key->type](b, key, v);
		if (!key->acts)
			diag_add(b->s->diags, DIAG_WARNING, "XL0204", &place, NULL,
				 "'%s' is not acted on", key->name);
		else if (!(key->acts & b->type))
			diag_add(b->s->diags, DIAG_WARNING, "XL0204", &place, NULL,
				 "'%s' is not acted on for type \"%s\"", key->name, b->type_name);
		else if (value)
			json_object_set(b->config, key->name, value);
		json_decref(value);
	}
}

bool xlcfg_name_is_good(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-_.+", *p))
			return false;
	return len > 0 && len <= NAME_LEN_MAX && strspn(name, "0123456789") != len &&
	       strcmp(name, ".") && strcmp(name, "..");
}

static void check_name(struct builder *b, const char *file)
{
	struct diag_place place = { file, 0, 0, NULL };
	const struct xlcfg_value *v = setting(b, "name");

	if (!v) {
		diag_add(b->s->diags, DIAG_ERROR, "XL0205", &place, "write name = \"...\"",
			 "a domain needs a name");
		return;
	}
	if (!v->list && v->len && !xlcfg_name_is_good(v->text))
		fail(b, v, 0, "allowed: " XLCFG_NAME_ALLOWED, "this name cannot be used");
}

static void check_uuid(struct builder *b)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const struct xlcfg_value *v = setting(b, "uuid");

	if (!v || v->list)
		return;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		char c = i < v->len ? v->text[i] : '\0';

		if (form[i] == 'x' ? !isxdigit((unsigned char)c) : c != '-') {
			fail(b, v, i,
			     "allowed: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in hexadecimal",
			     "'%s' is malformed", "uuid");
			return;
		}
	}
	if (v->len != sizeof(form) - 1)
		fail(b, v, sizeof(form) - 1, "allowed: 36 characters", "'%s' is malformed", "uuid");
}

/* @low must not exceed @high when both are given. */
static void check_order(struct builder *b, const char *low, const char *high)
{
	json_t *l = json_object_get(b->config, low), *h = json_object_get(b->config, high);
	char hint[64];

	if (!l || !h || json_integer_value(l) <= json_integer_value(h))
		return;
	snprintf(hint, sizeof(hint), "allowed: at least %s = %lld", low,
		 (long long)json_integer_value(l));
	fail(b, setting(b, high), 0, hint, "'%s' is too small", high);
}

static void check_ns(struct builder *b, const char *file)
{
	struct diag_place place = { file, 0, 0, NULL };
	const struct xlcfg_value *root = setting(b, "root"), *init = setting(b, "init");

	if (b->type != TYPE_NS)
		return;
	if (!init)
		diag_add(b->s->diags, DIAG_ERROR, "XL0206", &place,
			 "write init = \"/path/to/program\"",
			 "a domain of type \"ns\" needs an init");
	else if (init->list && init->nr && !init->items[0].list && init->items[0].len &&
		 init->items[0].text[0] != '/')
		fail(b, &init->items[0], 0, "allowed: an absolute path",
		     "the program of '%s' is not named by its path", "init");
	if (root && !root->list && root->text[0] != '/')
		fail(b, root, 0, "allowed: the absolute path of a folder",
		     "'%s' is not an absolute path", "root");
}

/* devids and MACs must differ; entries without a devid take the lowest free one later. */
static void check_vifs(struct builder *b)
{
	const struct xlcfg_value *v = setting(b, "vif");
	json_t *vifs = json_object_get(b->config, "vif"), *vif, *other;
	static const char *const unique[] = { "devid", "mac" };
	size_t i, j;

	json_array_foreach (vifs, i, vif) {
		for (size_t k = 0; k < 2; k++) {
			json_t *mine = json_object_get(vif, unique[k]);

			for (j = 0; mine && j < i; j++) {
				other = json_array_get(vifs, j);
				if (!json_equal(mine, json_object_get(other, unique[k])))
					continue;
				fail(b, &v->items[i], 0, "allowed: a different one for each vif",
				     "this vif has the %s of another", unique[k]);
				break;
			}
		}
	}
}

static void check_actions(struct builder *b)
{
	static const char *const keys[] = { "on_poweroff", "on_reboot", "on_crash" };

	for (size_t i = 0; i < 3; i++) {
		const struct xlcfg_value *v = setting(b, keys[i]);
		struct diag_place place;

		if (!v || v->list || b->type != TYPE_NS || strncmp(v->text, "coredump-", 9))
			continue;
		place = xlcfg_place(v, 0);
		diag_add(b->s->diags, DIAG_WARNING, "XL0207", &place, NULL,
			 "no core is dumped of type \"ns\": this acts as \"%s\"", v->text + 9);
	}
}

/* As xl: it is the whole of it. */
static void check_cmdline(struct builder *b)
{
	static const char *const others[] = { "root", "extra", "nfs_root", "ip" };
	struct diag_place place;

	for (size_t i = 0; b->type != TYPE_NS && i < sizeof(others) / sizeof(*others); i++) {
		const struct xlcfg_value *v = setting(b, others[i]);

		if (!setting(b, "cmdline") || !v || (!v->list && !v->len))
			continue;
		place = xlcfg_place(v, 0);
		diag_add(b->s->diags, DIAG_WARNING, "XL0208", &place, NULL,
			 "'%s' is not acted on: 'cmdline' is the whole command line", others[i]);
	}
}

static void build_domain(struct builder *b, const char *file)
{
	find_type(b);
	build_settings(b);
	json_object_del(b->config, "builder");
	json_object_del(b->config, "pvshim");
	json_object_set_new(b->config, "type", json_string(b->type_name));
	check_name(b, file);
	check_uuid(b);
	check_order(b, "memory", "maxmem");
	check_order(b, "vcpus", "maxvcpus");
	check_ns(b, file);
	check_vifs(b);
	check_actions(b);
	check_cmdline(b);
}

/* What a file of one kind has, made into JSON. */
struct kind {
	const struct xlcfg_table *table;
	void (*build)(struct builder *b, const char *file);
};

static void build_global(struct builder *b, const char *file)
{
	static const char *const masks[] = { "vm.cpumask", "vm.pv.cpumask", "vm.hvm.cpumask" };

	(void)file;
	b->type = TYPE_ALL;
	build_settings(b);
	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
		const struct xlcfg_value *v = setting(b, masks[i]);

		if (v && v->list)
			fail(b, v, 0, "allowed: \"0-3,5,^1\"", "'%s' needs one string", masks[i]);
	}
}

static const struct kind domain_kind = { &xlcfg_domain_table, build_domain };
static const struct kind global_kind = { &xlcfg_global_table, build_global };

static int build(const struct kind *kind, const struct xlcfg_settings *s, const char *file,
		 json_t **config_out)
{
	struct builder b = { .s = s, .config = json_object() };

	*config_out = b.config;
	if (!b.config)
		return -ENOMEM;
	kind->build(&b, file);
	return 0;
}

static int parse(const struct kind *kind, const char *file, const char *text, size_t size,
		 char *const *overrides, int nr_overrides, struct diags *diags, json_t **config_out)
{
	struct xlcfg_settings s = { .table = kind->table, .diags = diags };
	size_t errors = diags->nr_errors;
	int rc = -ENOMEM;

	*config_out = NULL;
	if (size > XLCFG_SIZE_MAX) {
		struct diag_place place = { file, 0, 0, NULL };

		diag_add(diags, DIAG_ERROR, "XL0002", &place, "allowed: 1 MiB",
			 "the file is too large");
		return -EINVAL;
	}
	s.values = calloc(kind->table->nr, sizeof(*s.values));
	if (!s.values)
		goto out;
	rc = xlcfg_read(&s, file, text, size);
	for (int i = 0; i < nr_overrides && !rc; i++)
		rc = xlcfg_read_override(&s, "command line", i + 1, overrides[i]);
	if (!rc)
		rc = build(kind, &s, file, config_out);
	if (!rc && diags->nr_errors > errors)
		rc = -EINVAL;
	diags_sort(diags);
out:
	if (rc) {
		json_decref(*config_out);
		*config_out = NULL;
	}
	for (size_t i = 0; s.values && i < kind->table->nr; i++)
		xlcfg_value_fini(&s.values[i]);
	free(s.values);
	return rc;
}

int xlcfg_parse(const char *file, const char *text, size_t size, char *const *overrides,
		int nr_overrides, struct diags *diags, json_t **config_out)
{
	return parse(&domain_kind, file, text, size, overrides, nr_overrides, diags, config_out);
}

/* Return: 0; -errno. One byte more than is allowed is read, so that too much shows. */
static int read_file(const char *path, char **text_out, size_t *size_out)
{
	char *text = malloc(XLCFG_SIZE_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc = 0;
	size_t size = 0;

	if (!text)
		rc = -ENOMEM;
	else if (fd < 0)
		rc = -errno;
	while (!rc && size < XLCFG_SIZE_MAX + 1) {
		ssize_t n = read(fd, text + size, XLCFG_SIZE_MAX + 1 - size);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (!n)
			break;
		size += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (rc) {
		free(text);
		return rc;
	}
	*text_out = text;
	*size_out = size;
	return 0;
}

static int load(const struct kind *kind, const char *path, char *const *overrides, int nr_overrides,
		struct diags *diags, json_t **config_out)
{
	struct diag_place place = { path, 0, 0, NULL };
	char *text = NULL;
	size_t size = 0;
	int rc = read_file(path, &text, &size);

	*config_out = NULL;
	if (rc) {
		diag_add(diags, DIAG_ERROR, "XL0001", &place, NULL, "cannot be read: %s",
			 strerror(-rc));
		return rc;
	}
	rc = parse(kind, path, text, size, overrides, nr_overrides, diags, config_out);
	free(text);
	return rc;
}

int xlcfg_load(const char *path, char *const *overrides, int nr_overrides, struct diags *diags,
	       json_t **config_out)
{
	return load(&domain_kind, path, overrides, nr_overrides, diags, config_out);
}

int xlcfg_load_global(const char *path, struct diags *diags, json_t **global_out)
{
	if (access(path, F_OK) && errno == ENOENT) {
		*global_out = json_object();
		return *global_out ? 0 : -ENOMEM;
	}
	return load(&global_kind, path, NULL, 0, diags, global_out);
}
