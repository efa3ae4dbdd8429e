/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl.cfg texts, good and bad: the JSON, or each message with its line and column. */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/xlcfg.h"

#define NS "name=\"d\"\ntype=\"ns\"\ninit=\"x\"\n" /* three lines that make a config complete */

static int parse(const char *text, struct diags *diags, json_t **config)
{
	return xlcfg_parse("f", text, strlen(text), NULL, 0, diags, config);
}

/* A text behind NS, and the JSON that one member must have then. */
static const struct {
	const char *text, *member, *json;
} good[] = {
	{ "memory=64", "memory", "64" },
	{ "memory=0x40", "memory", "64" },
	{ "memory = \"128\" # quoted numbers are numbers", "memory", "128" },
	{ "memory=64;vcpus=2 ; ", "vcpus", "2" },
	{ "memory=1\nmemory=2", "memory", "2" },
	{ "on_crash = \\\n  \"preserve\"", "on_crash", "\"preserve\"" },
	{ "on_crash=\"preserve\"\r\nvcpus=1\r\n", "vcpus", "1" },
	{ "root='/a\\x41\\101\\'\\\\'", "root", "\"/aAA'\\\\\"" },
	{ "root=\"/it's\"", "root", "\"/it's\"" },
	{ "root=\"\"\"/a\nb\"\"\"", "root", "\"/a\\nb\"" },
	{ "root='''/a'b'''", "root", "\"/a'b\"" },
	{ "root='/#no comment' # one", "root", "\"/#no comment\"" },
	{ "root='/a'\nroot+='b'", "root", "\"/ab\"" },
	{ "frontend='program'", "frontend", "\"program\"" },
	{ "init='a b'", "init", "[\"/bin/sh\",\"-c\",\"a b\"]" },
	{ "init=[\n'/bin/x' , # one\n\n'-v',\n]", "init", "[\"/bin/x\",\"-v\"]" },
	{ "cpus='0-3,5,^1'", "cpus", "\"0-3,5,^1\"" },
	{ "cpus='all'", "cpus", "\"all\"" },
	{ "cpus=[2,'0-1']", "cpus", "[\"2\",\"0-1\"]" },
	{ "vif=[]", "vif", "[]" },
	{ "vif=['']", "vif", "[{}]" },
	{ "vif=['']\nvif+=['mtu=1500']", "vif", "[{},{\"mtu\":1500}]" },
	{ "vif=['']\nvif+='mtu=1500'", "vif", "[{},{\"mtu\":1500}]" },
	{ "vif=['mac=00:16:3E:AB:cd:01 , bridge = br0,']", "vif",
	  "[{\"mac\":\"00:16:3e:ab:cd:01\",\"bridge\":\"br0\"}]" },
	{ "vif=['script=s,type=vif,model=e1000,vifname=v0,ip=1.2.3.4 ::1,devid=3,backend=0']",
	  "vif",
	  "[{\"script\":\"s\",\"type\":\"vif\",\"model\":\"e1000\",\"vifname\":\"v0\","
	  "\"ip\":\"1.2.3.4 ::1\",\"devid\":3,\"backend\":0}]" },
	{ "vif=['rate=10Mb/s']", "vif",
	  "[{\"rate\":{\"bytes-per-interval\":62500,\"interval-usecs\":50000}}]" },
	{ "vif=['rate=1MB/s@20ms']", "vif",
	  "[{\"rate\":{\"bytes-per-interval\":20000,\"interval-usecs\":20000}}]" },
	{ "vif=['rate=1GB/s@1s']", "vif",
	  "[{\"rate\":{\"bytes-per-interval\":1000000000,\"interval-usecs\":1000000}}]" },
	{ "type='pv'\nkernel='/k'", "kernel", "\"/k\"" },
	{ "type='pv'\nbootloader='pygrub'", "bootloader", "\"pygrub\"" },
	{ "type='pvh'\nbootloader_args=' -q  --entry=1'", "bootloader_args",
	  "[\"-q\",\"--entry=1\"]" },
	{ "type='pvh'\nbootloader_args=['--args=a b']", "bootloader_args", "[\"--args=a b\"]" },
	{ "type='hvm'\nvnc=1\nboot='dc'", "boot", "\"dc\"" },
	{ "type='pvh'\npvshim=1\npvshim_path='/s'", "type", "\"pv\"" },
	{ "type='pvh'\npvshim=1\npvshim_path='/s'", "pvshim_path", "\"/s\"" },
	{ "type='pvh'\npvshim=0", "type", "\"pvh\"" },
	{ "type='pv'\npvshim_extra='loglvl=all'", "pvshim_extra", "\"loglvl=all\"" },
	{ "type='pv'\nip='1.2.3.4'\nnfs_root='/x'", "nfs_root", "\"/x\"" },
	{ "type='pv'\ndisk=['phy:/dev/vg/x,xvda,w']", "disk",
	  "[{\"target\":\"/dev/vg/x\",\"format\":\"raw\",\"vdev\":\"xvda\",\"access\":\"rw\"}]" },
	{ "type='pv'\ndisk=['phy:sda1,xvda1,w']", "disk",
	  "[{\"target\":\"/dev/sda1\",\"format\":\"raw\",\"vdev\":\"xvda1\",\"access\":\"rw\"}]" },
	{ "type='pv'\ndisk=['phy:/dev/vg/x,xvda,w!']", "disk",
	  "[{\"target\":\"/dev/vg/x\",\"format\":\"raw\",\"vdev\":\"xvda\",\"access\":\"rw!\"}]" },
	{ "type='pv'\ndisk=[ 'vdev=xvda, access=w!, target=/dev/vg/x', ]", "disk",
	  "[{\"target\":\"/dev/vg/x\",\"format\":\"raw\",\"vdev\":\"xvda\",\"access\":\"rw!\"}]" },
	{ "type='pv'\ndisk=['/dev/vg/x, raw, xvda, w! ']", "disk",
	  "[{\"target\":\"/dev/vg/x\",\"format\":\"raw\",\"vdev\":\"xvda\",\"access\":\"rw!\"}]" },
	{ "type='pv'\ndisk=['access=w! ,vdev=xvda ,target=/dev/vg/x']", "disk",
	  "[{\"target\":\"/dev/vg/x\",\"format\":\"raw\",\"vdev\":\"xvda\",\"access\":\"rw!\"}]" },
	{ "type='pv'\ndisk=['/dev/vg/x,,hda']", "disk",
	  "[{\"target\":\"/dev/vg/x\",\"format\":\"raw\",\"vdev\":\"hda\",\"access\":\"rw\"}]" },
	{ "type='pv'\ndisk=['tap:aio:/a b,hdc:cdrom,r']", "disk",
	  "[{\"target\":\"/a b\",\"format\":\"raw\",\"vdev\":\"hdc\",\"devtype\":\"cdrom\","
	  "\"access\":\"ro\"}]" },
	{ "type='pv'\ndisk=['format=qcow2, vdev=xvdb, access=ro, target=/a,b']", "disk",
	  "[{\"target\":\"/a,b\",\"format\":\"qcow2\",\"vdev\":\"xvdb\",\"access\":\"ro\"}]" },
	{ "type='pv'\ndisk=['/root/i.iso,,hdc,cdrom']", "disk",
	  "[{\"target\":\"/root/i.iso\",\"format\":\"raw\",\"vdev\":\"hdc\",\"devtype\":\"cdrom\","
	  "\"access\":\"ro\"}]" },
};

static void good_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct diags diags = { 0 };
		json_t *config, *want = json_loads(good[i].json, JSON_DECODE_ANY, NULL);
		char text[1024];

		snprintf(text, sizeof(text), NS "%s", good[i].text);
		if (parse(text, &diags, &config)) {
			diags_print(&diags, stderr);
			fail_msg("refused: %s", good[i].text);
		}
		assert_non_null(want);
		if (!json_equal(want, json_object_get(config, good[i].member)))
			fail_msg("%s gives %s", good[i].text, json_dumps(config, 0));
		json_decref(want);
		json_decref(config);
		diags_fini(&diags);
	}
}

/* A text and its first error; the text stands on line 4. */
static const struct {
	const char *text;
	int line, column;
	const char *message;
} bad[] = {
	{ "memroy=4", 4, 1, "unknown key 'memroy'" },
	{ "memory=-4", 4, 8, "'memory' needs a number" },
	{ "memory=4k", 4, 8, "'memory' needs a number" },
	{ "memory=99999999999999999999", 4, 8, "'memory' needs a number" },
	{ "memory=0", 4, 8, "'memory' needs a number" },
	{ "memory=[1]", 4, 8, "'memory' needs a number" },
	{ "vcpus=129", 4, 7, "'vcpus' needs a number" },
	{ "\n\n  memory=64\n maxmem=32", 7, 9, "'maxmem' is too small" },
	{ "vcpus=2;maxvcpus=1", 4, 18, "'maxvcpus' is too small" },
	{ "type=ns", 4, 6, "'ns' is a bare word, not a value" },
	{ "type='xen'", 4, 7, "'type' has no such value" },
	{ "on_reboot='explode'", 4, 12, "'on_reboot' has no such value" },
	{ "name=''", 4, 7, "'name' has no usable value" },
	{ "name='12'", 4, 7, "this name cannot be used" },
	{ "name='a/b'", 4, 7, "this name cannot be used" },
	{ "root='/a\\xff'", 4, 7, "the value of 'root' cannot be read" },
	{ "uuid='c7a5fdbd-edaf-9455-926a-d65c16db180x'", 4, 42, "'uuid' is malformed" },
	{ "uuid='c7'", 4, 9, "'uuid' is malformed" },
	{ "memory 4", 4, 8, "'=' is missing after 'memory'" },
	{ "= 4", 4, 1, "a key is missing" },
	{ "memory =", 4, 9, "a value is missing" },
	{ "memory = 4 5", 4, 12, "the value is followed by something else" },
	{ "root = '/x", 4, 8, "this string is not closed" },
	{ "root = '''/x\n'", 4, 8, "this string is not closed" },
	{ "root = '/x\\q'", 4, 11, "unknown escape in a string" },
	{ "root = '/x\\0'", 4, 11, "unknown escape in a string" },
	{ "root = '/a' + 'b'", 4, 13, "this character has no meaning here" },
	{ "root = 'x'", 4, 9, "'root' is not an absolute path" },
	{ "init = []", 4, 8, "'init' is an empty list" },
	{ "init = ['x']", 4, 10, "the program of 'init' is not named by its path" },
	{ "init = [['/x']]", 4, 9, "'init' has no usable value" },
	{ "vif = ''", 4, 8, "'vif' needs a list" },
	{ "vif = [ '',\n '' \n memory=4", 4, 7, "this list is not closed before line 6" },
	{ "vif = [ '' ''", 4, 12, "list entries are separated by commas" },
	{ "vif = [ ,", 4, 9, "a value is missing" },
	{ "vif = [", 4, 7, "this list is not closed" },
	{ "vif = [[[[[[[[[1]]]]]]]]]", 4, 15, "lists are nested too deeply" },
	{ "vif = [ ['a'] ]", 4, 9, "'vif' entries are strings" },
	{ "vif = [ '', 'mac=00:16:3e:00:00:01,brigde=b' ]", 4, 36, "unknown vif keyword 'brigde'" },
	{ "vif = [ 'mac=00:16:3e:00:00' ]", 4, 14, "mac: '00:16:3e:00:00' is not a MAC address" },
	{ "vif = [ 'mac=01:16:3e:00:00:00' ]", 4, 14,
	  "mac: 01:16:3e:00:00:00 is a group address, not one interface's" },
	{ "vif = [ 'mac=00:16:3e:00:00:01', 'mac=00:16:3E:00:00:01' ]", 4, 35,
	  "this vif has the mac of another" },
	{ "vif = [ 'devid=1', 'devid=1' ]", 4, 21, "this vif has the devid of another" },
	{ "vif = [ 'devid=256' ]", 4, 16, "devid: '256' is not a number in range" },
	{ "vif = [ 'mtu=67' ]", 4, 14, "mtu: '67' is not a number in range" },
	{ "vif = [ 'vifname=much-too-long-name' ]", 4, 18,
	  "vifname: 'much-too-long-name' cannot be used" },
	{ "vif = [ 'vifname=a/b' ]", 4, 18, "vifname: 'a/b' cannot be used" },
	{ "vif = [ 'bridge=' ]", 4, 17, "bridge: '' cannot be used" },
	{ "vif = [ 'bridge' ]", 4, 10, "vif keyword 'bridge' needs a value" },
	{ "vif = [ 'mtu=68,mtu=68' ]", 4, 17, "vif keyword 'mtu' is given twice" },
	{ "vif = [ 'backend=net' ]", 4, 18, "backend: 'net': there are no driver domains" },
	{ "vif = [ 'rate=10' ]", 4, 15, "rate: '10' is not a rate" },
	{ "vif = [ 'rate=10Mb/s@1h' ]", 4, 15, "rate: '10Mb/s@1h' is not a rate" },
	{ "vif = [ 'rate=0Mb/s' ]", 4, 15, "rate: '0Mb/s' is not a rate" },
	{ "vif = [ 'rate=9999999999GB/s' ]", 4, 15, "rate: '9999999999GB/s' is not a rate" },
	{ "cpus='3-1'", 4, 7, "'cpus' is not a list of CPUs" },
	{ "cpus='0,x'", 4, 9, "'cpus' is not a list of CPUs" },
	{ "cpus='1,^1'", 4, 7, "'cpus' is not a list of CPUs" },
	{ "cpus='5000'", 4, 7, "'cpus' is not a list of CPUs" },
	{ "disk=['/x,zip,xvda']", 4, 11, "unknown disk format 'zip'" },
	{ "disk=['/x,raw,xvda,rx']", 4, 20, "unknown disk access 'rx'" },
	{ "disk=['/x,raw']", 4, 8, "a disk needs a vdev" },
	{ "disk=['x.img,raw,xvda,w']", 4, 8, "disk target 'x.img' is not absolute" },
	{ "disk=[',,xvda']", 4, 8, "a disk needs a target" },
	{ "disk=['/x,raw,xvda,w,y']", 4, 22, "'y' is one position too many" },
	{ "disk=['/x,raw,xvda,w,fmt=y']", 4, 22, "unknown disk parameter 'fmt=y'" },
	{ "root='/a'\nroot+=['b']", 5, 7, "a list cannot be added to a string" },
	{ "@", 4, 1, "this character has no meaning here" },
};

static void bad_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct diags diags = { 0 };
		const struct diag *d = NULL;
		json_t *config;
		char text[1024];

		snprintf(text, sizeof(text), NS "%s", bad[i].text);
		if (parse(text, &diags, &config) != -EINVAL)
			fail_msg("taken: %s", bad[i].text);
		assert_null(config);
		for (size_t k = 0; k < diags.nr && !d; k++)
			if (diags.v[k].severity == DIAG_ERROR)
				d = &diags.v[k];
		assert_non_null(d);
		assert_string_equal(d->message, bad[i].message);
		if (d->line != bad[i].line || d->column != bad[i].column)
			fail_msg("%s: %d:%d, not %d:%d", bad[i].text, d->line, d->column,
				 bad[i].line, bad[i].column);
		assert_string_equal(d->file, "f");
		diags_fini(&diags);
	}
}

static void all_errors_are_reported(void **state)
{
	static const char text[] =
		"name='d'\n@\nfoo=1\nmemory=x\nvif=['a=1',\n'b=2'] x\nvcpus=0\nbar\n";
	static const int lines[] = { 0, 2, 3, 4, 5, 6, 6, 7, 8 };
	struct diags diags = { 0 };
	json_t *config;

	(void)state;
	/* Of type ns only on the command line, so that init is asked for too. */
	char *overrides[] = { "type=ns" };

	assert_int_equal(xlcfg_parse("f", text, strlen(text), overrides, 1, &diags, &config),
			 -EINVAL);
	for (size_t i = 0; i < diags.nr && i < 9; i++)
		assert_int_equal(diags.v[i].line, lines[i]);
	assert_int_equal(diags.nr_errors, 9);
	diags_fini(&diags);
}

static void errors_are_bounded(void **state)
{
	static char text[60000];
	struct diags diags = { 0 };
	json_t *config;

	(void)state;
	for (size_t i = 0; i + 4 < sizeof(text); i += 4)
		memcpy(text + i, "x=1\n", 4);
	assert_int_equal(parse(text, &diags, &config), -EINVAL);
	assert_in_range(diags.nr_errors, 100, 110);
	diags_fini(&diags);
}

static void overrides(void **state)
{
	static const char text[] = NS "memory=64\nvif=['']\n";
	char *arguments[] = { "memory=128", "name=other+one", "vif+='mtu=1400'",
			      "on_crash=\"restart\"" };
	char *wrong[] = { "memory=x", "nonsense", "vif=[" };
	struct diags diags = { 0 };
	json_t *config, *vifs;

	(void)state;
	assert_int_equal(xlcfg_parse("f", text, strlen(text), arguments, 4, &diags, &config), 0);
	assert_int_equal(diags.nr, 0);
	assert_int_equal(json_integer_value(json_object_get(config, "memory")), 128);
	assert_string_equal(json_string_value(json_object_get(config, "name")), "other+one");
	assert_string_equal(json_string_value(json_object_get(config, "on_crash")), "restart");
	vifs = json_object_get(config, "vif");
	assert_int_equal(json_array_size(vifs), 2);
	json_decref(config);

	assert_int_equal(xlcfg_parse("f", text, strlen(text), wrong, 3, &diags, &config), -EINVAL);
	assert_int_equal(diags.nr_errors, 3);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(diags.v[i].file, "command line");
		assert_int_equal(diags.v[i].line, i + 1);
	}
	diags_fini(&diags);
}

static void unused_keys_are_named(void **state)
{
	struct diags diags = { 0 };
	json_t *config;

	(void)state;
	assert_int_equal(parse(NS
			       "hap=1\nkernel='/k'\nvif=['trusted']\non_crash='coredump-restart'\n"
			       "memory=1\nmemory=2\n",
			       &diags, &config),
			 0);
	assert_int_equal(diags.nr, 5);
	assert_int_equal(diags.nr_errors, 0);
	assert_string_equal(diags.v[0].message, "'hap' is not acted on");
	assert_string_equal(diags.v[1].message, "'kernel' is not acted on for type \"ns\"");
	assert_string_equal(diags.v[2].message, "vif keyword 'trusted' is not acted on");
	assert_string_equal(diags.v[3].message,
			    "no core is dumped of type \"ns\": this acts as \"restart\"");
	assert_string_equal(diags.v[4].message, "'memory' replaces its value of line 8");
	assert_null(json_object_get(config, "kernel"));
	assert_null(json_object_get(config, "hap"));
	json_decref(config);
	diags_fini(&diags);
}

/* What Debian's xen-utils-common installs; a copy stands in the fuzz corpus. */
static void shipped_examples(void **state)
{
	const char *source = getenv("VIFROST_SOURCE_DIR");
	char pattern[512];
	glob_t found = { 0 };

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/tests/fuzz/corpus/xlcfg/xlexample.*",
		 source ? source : ".");
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 3);
	glob("/etc/xen/xlexample.*", GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct diags diags = { 0 };
		json_t *config;

		if (xlcfg_load(found.gl_pathv[i], NULL, 0, &diags, &config))
			diags_print(&diags, stderr);
		assert_non_null(config);
		assert_memory_equal(json_string_value(json_object_get(config, "name")), "example.",
				    8);
		json_decref(config);
		diags_fini(&diags);
	}
	globfree(&found);
}

static void unreadable_file(void **state)
{
	struct diags diags = { 0 };
	json_t *config;

	(void)state;
	assert_int_equal(xlcfg_load("/nonexistent/x", NULL, 0, &diags, &config), -ENOENT);
	assert_int_equal(diags.nr_errors, 1);
	assert_null(config);
	assert_int_equal(xlcfg_load("/", NULL, 0, &diags, &config), -EISDIR);
	diags_fini(&diags);
}

/* @text as xl.conf, of a file of its own. */
static int load_global(const char *text, struct diags *diags, json_t **global)
{
	char path[] = "/tmp/test_xlcfg.XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = xlcfg_load_global(path, diags, global);
	unlink(path);
	return rc;
}

/* What xl.conf has, a domain behind NS, and what a member of that is then; NULL: an error. */
static const struct {
	const char *global, *text, *member, *json;
} globals[] = {
	{ "# nothing\n", "vif=['mtu=1500']", "vif", "[{\"mtu\":1500}]" },
	{ "vif.default.bridge=\"br7\"", "vif=['','bridge=br8']", "vif",
	  "[{\"bridge\":\"br7\"},{\"bridge\":\"br8\"}]" },
	{ "vif.default.script='vif-route'\nvif.default.gatewaydev='eth1'\nvif.default.backend=\"0\"",
	  "vif=['']", "vif", "[{\"script\":\"vif-route\",\"gatewaydev\":\"eth1\"}]" },
	{ "vm.cpumask='0-3'", "vcpus=1", "cpus", "\"0-3\"" },
	{ "vm.cpumask='0-3'", "cpus='2-9'", "cpus", "\"2-3\"" },
	{ "vm.cpumask='0-3'", "cpus=['all,^0',1]", "cpus", "[\"1-3\",\"1\"]" },
	{ "vm.cpumask='0-3'", "cpus=['1',4]", "cpus", NULL },
	{ "vm.hvm.cpumask='0-3'", "cpus='2-9'", "cpus", "\"2-9\"" },
	{ "vm.cpumask='0-3'\nvm.hvm.cpumask='2-5'", "type='pvh'\nkernel='/k'", "cpus", "\"2-3\"" },
	{ "vm.pv.cpumask='1'\nvm.hvm.cpumask='2-5'", "type='pv'\nkernel='/k'", "cpus", "\"1\"" },
	{ "vm.cpumask='all'", "cpus='7'", "cpus", "\"7\"" },
	{ "lockfile='/x'\nautoballoon=\"auto\"\noutput_format='json'", "vcpus=1", "vcpus", "1" },
};

static void global_settings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(globals) / sizeof(*globals); i++) {
		json_t *global, *config, *expected;
		struct diags diags = { 0 };
		char text[256];
		int rc;

		snprintf(text, sizeof(text), NS "%s", globals[i].text);
		assert_int_equal(load_global(globals[i].global, &diags, &global), 0);
		assert_int_equal(parse(text, &diags, &config), 0);
		rc = xlcfg_apply_global(global, config, &diags);
		assert_int_equal(rc, globals[i].json ? 0 : -EINVAL);
		assert_int_equal(diags.nr_errors, globals[i].json ? 0 : 1);
		if (globals[i].json) {
			expected = json_loads(globals[i].json, JSON_DECODE_ANY, NULL);
			assert_true(
				json_equal(json_object_get(config, globals[i].member), expected));
			json_decref(expected);
		}
		json_decref(global);
		json_decref(config);
		diags_fini(&diags);
	}
}

static void global_errors(void **state)
{
	static const struct {
		const char *text, *message;
		int column;
	} wrong[] = {
		{ "vif.default.brigde='x'", "unknown key 'vif.default.brigde'", 1 },
		{ "memory=64", "unknown key 'memory'", 1 },
		{ "vif.default.backend='driver'", "'vif.default.backend' has no such value", 22 },
		{ "vm.cpumask='3-1'", "'vm.cpumask' is not a list of CPUs", 13 },
		{ "vm.pv.cpumask=['1']", "'vm.pv.cpumask' needs one string", 15 },
		{ "output_format='sxp'", "'output_format' has no such value", 16 },
	};
	json_t *global;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct diags diags = { 0 };

		assert_int_equal(load_global(wrong[i].text, &diags, &global), -EINVAL);
		assert_null(global);
		assert_int_equal(diags.nr_errors, 1);
		assert_string_equal(diags.v[0].message, wrong[i].message);
		assert_int_equal(diags.v[0].column, wrong[i].column);
		diags_fini(&diags);
	}
	assert_int_equal(xlcfg_load_global("/nonexistent/x", &(struct diags){ 0 }, &global), 0);
	assert_int_equal(json_object_size(global), 0);
	json_decref(global);
}

static void cpu_lists(void **state)
{
	static const struct {
		const char *text, *shown;
	} lists[] = {
		{ "0-3,5,^1", "0,2-3,5" }, { "all", "all" }, { "all,^0", "1-7" },
		{ " 2 , 4 ", "2,4" },	   { "0-7", "all" }, { "9", "none" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		const char *why;
		size_t offset;
		cpu_set_t set;
		char text[64];

		assert_int_equal(xlcfg_parse_cpus(lists[i].text, &set, &offset, &why), 0);
		xlcfg_format_cpus(&set, 8, text, sizeof(text));
		assert_string_equal(text, lists[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts),
		cmocka_unit_test(bad_texts),
		cmocka_unit_test(all_errors_are_reported),
		cmocka_unit_test(errors_are_bounded),
		cmocka_unit_test(overrides),
		cmocka_unit_test(unused_keys_are_named),
		cmocka_unit_test(shipped_examples),
		cmocka_unit_test(unreadable_file),
		cmocka_unit_test(global_settings),
		cmocka_unit_test(global_errors),
		cmocka_unit_test(cpu_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
