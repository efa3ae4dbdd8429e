/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configs of hvm domains, as guides write them, into QEMU's arguments. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/hvm/hvm_args.h"
#include "hv/xlcfg.h"

#define HEAD "name='g'\nbuilder='hvm'\nuuid='6f0a4f3e-2d6a-4b8e-8f2e-0123456789ab'\n"

static bool is_device(const char *path)
{
	return !strncmp(path, "/dev/", 5);
}

static const struct hvm_host host = { .domid = 7, .console = "/dev/pts/9", .is_device = is_device };

static json_t *config_of(const char *text)
{
	struct diags diags = { 0 };
	json_t *config;
	char *whole;

	assert_true(asprintf(&whole, "%s%s", HEAD, text) > 0);
	if (xlcfg_parse("f", whole, strlen(whole), NULL, 0, &diags, &config))
		fail_msg("%s: %s", text, diags.nr ? diags.v[0].message : "?");
	diags_fini(&diags);
	free(whole);
	return config;
}

/* All arguments with one blank between them. */
static char *line_of(const struct hvm_args *args)
{
	char *line = strdup(""), *longer;

	for (unsigned int i = 0; i < args->nr_args; i++) {
		assert_true(asprintf(&longer, "%s%s%s", line, i ? " " : "", args->argv[i]) >= 0);
		free(line);
		line = longer;
	}
	assert_null(args->argv[args->nr_args]);
	return line;
}

/* The HVM guest of the installation guide, word for word but for the image's place. */
static const char guide[] =
	"kernel = \"hvmloader\"\nmemory = 512\nvcpus = 1\nacpi = 1\napic=1\npae=1\n"
	"vif = [ 'type=ioemu, bridge=xenbr0' ]\n"
	"disk = [ 'file:/home/giorgos/xen/domuhvm.img,hda,w',\n"
	"'file:/root/debian.iso,hdc:cdrom,r' ]\n"
	"boot=\"dc\"\nsdl=0\nopengl=0\nvnc=1\nvncpasswd=''\nstdvga=0\nserial='pty'\nlocaltime=1\n"
	"usbdevice='tablet'\n";

static const char guide_line[] =
	"/usr/bin/qemu-system-x86_64 -nodefaults -no-user-config "
	"-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny "
	"-name guest=g,debug-threads=on -uuid 6f0a4f3e-2d6a-4b8e-8f2e-0123456789ab "
	"-machine pc,usb=off,vmport=off,dump-guest-core=off,memory-backend=ram,acpi=on,"
	"hpet=on -accel tcg,tb-size=128 -cpu max -action reboot=shutdown,shutdown=poweroff,panic=shutdown -device pvpanic "
	"-m 512M -object memory-backend-memfd,id=ram,share=on,size=512M -smp cpus=1,maxcpus=1 "
	"-rtc base=localtime -boot strict=on "
	"-add-fd fd=16,set=16 "
	"-blockdev driver=file,node-name=disk-hda-file,filename=/dev/fdset/16,read-only=off,"
	"auto-read-only=off,discard=unmap "
	"-blockdev driver=raw,node-name=disk-hda-node,file=disk-hda-file,read-only=off "
	"-device ide-hd,id=disk-hda,bus=ide.0,unit=0,drive=disk-hda-node,bootindex=65 "
	"-add-fd fd=17,set=17 "
	"-blockdev driver=file,node-name=disk-hdc-file,filename=/dev/fdset/17,read-only=on,"
	"auto-read-only=off,discard=unmap "
	"-blockdev driver=raw,node-name=disk-hdc-node,file=disk-hdc-file,read-only=on "
	"-device ide-cd,id=disk-hdc,bus=ide.1,unit=0,drive=disk-hdc-node,bootindex=2 "
	"-netdev tap,id=net0,fd=18 -device rtl8139,id=nic0,netdev=net0,romfile= "
	"-chardev serial,id=console,path=/dev/pts/9 -device isa-serial,chardev=console "
	"-device piix3-usb-uhci,id=usb -device usb-tablet,bus=usb.0 -device VGA -vnc none "
	"-chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control";

static void test_guide(void **state)
{
	json_t *config = config_of(guide);
	struct hvm_args args;
	char why[ENGINE_WHY], *line;

	(void)state;
	assert_int_equal(hvm_args_build(config, &host, false, &args, why), 0);
	line = line_of(&args);
	assert_string_equal(line, guide_line);
	assert_int_equal(args.nr_files, 2);
	assert_string_equal(args.files[0].path, "/home/giorgos/xen/domuhvm.img");
	assert_int_equal(args.files[0].fd, 16);
	assert_true(args.files[0].writable);
	assert_string_equal(args.files[1].path, "/root/debian.iso");
	assert_false(args.files[1].writable);
	assert_int_equal(args.nr_nics, 1);
	assert_string_equal(args.nics[0].name, "vif7.0-emu");
	assert_int_equal(args.nics[0].fd, 18);
	assert_false(args.nics[0].vnet_hdr);
	assert_true(args.vnc.on && args.vnc.search);
	assert_string_equal(args.vnc.address, "127.0.0.1");
	assert_null(args.vnc.password);
	free(line);
	hvm_args_fini(&args);
	json_decref(config);
}

/* What an argument vector must have, or ("!...") must not. */
#define DEVICES                                                                                    \
	"disk=['/a,raw,hda,rw','/b,raw,vdb,rw','/c.iso,raw,hdc,ro,cdrom']\n"                       \
	"vif=['model=e1000','model=e1000']"

static const struct {
	const char *text, *parts[4];
} good[] = {
	{ "memory=64", { "-m 64M", "-vnc none", "!-S", "isa-serial" } },
	{ "disk=[]\nboot='n'\nvif=['model=e1000']",
	  { "e1000,id=nic0,netdev=net0,bootindex=1", "!romfile" } },
	{ "vif=['model=virtio-net,mac=00:16:3e:00:00:01,mtu=9000']",
	  { "virtio-net-pci,id=nic0,netdev=net0,mac=00:16:3e:00:00:01,host_mtu=9000,romfile=" } },
	{ "disk=['/i,raw,hda,w!']",
	  { "read-only=off,auto-read-only=off,discard=unmap,locking=off", "read-only=off" } },
	{ "disk=['phy:/dev/vg/g,xvda,w']",
	  { "driver=host_device,node-name=disk-xvda-file",
	    "ide-hd,id=disk-xvda,bus=ide.0,unit=0" } },
	{ "disk=['/x.qcow2,qcow2,vda,rw']",
	  { "driver=qcow2,node-name=disk-vda-node",
	    "virtio-blk-pci,id=disk-vda,drive=disk-vda-node" } },
	{ "disk=['/x.vhd,vhd,sdb,ro']",
	  { "driver=vpc,", "scsi-hd,id=disk-sdb,bus=scsi.0,scsi-id=1", "virtio-scsi-pci,id=scsi",
	    "read-only=on" } },
	{ "disk=[',raw,hdc,ro,cdrom']",
	  { "ide-cd,id=disk-hdc,bus=ide.1,unit=0,bootindex=65", "!drive=" } },
	{ "disk=['/a,raw,xvde,rw']", { "virtio-blk-pci,id=disk-xvde" } },
	{ "boot='d'\ndisk=['/a,raw,hda,rw']", { "drive=disk-hda-node -", "!bootindex" } },
	{ "vcpus=2\nmaxvcpus=4", { "-smp cpus=2,maxcpus=4" } },
	{ "acpi=0\nhpet=0\napic=0\npae=0", { "acpi=off,hpet=off", "-cpu max,apic=off,pae=off" } },
	{ "vif=['model=vhost-user']", { "mode=control -S", "!netdev", "!virtio" } },
	{ "localtime=0", { "-rtc base=utc" } },
	{ "localtime=1", { "-rtc base=localtime", "!base=utc" } },
	/* 64 numbers a letter, in the order of boot=; within one, in that of the devices. */
	{ "boot='cdn'\n" DEVICES,
	  { "drive=disk-hda-node,bootindex=1", "drive=disk-hdc-node,bootindex=67",
	    "netdev=net0,bootindex=132", "drive=disk-vdb-node,bootindex=2" } },
	{ "boot='ndc'\n" DEVICES,
	  { "drive=disk-hda-node,bootindex=129", "drive=disk-hdc-node,bootindex=67",
	    "netdev=net0,bootindex=4", "netdev=net1,bootindex=5" } },
	{ "boot='d'\n" DEVICES,
	  { "disk-hdc-node,bootindex=1", "drive=disk-hda-node -",
	    "netdev=net0,romfile= ", "-boot strict=on" } },
	{ "boot='n'\n" DEVICES,
	  { "netdev=net1,bootindex=2", "drive=disk-hda-node -", "drive=disk-hdc-node -" } },
	{ DEVICES,
	  { "drive=disk-hda-node,bootindex=1", "drive=disk-hdc-node,bootindex=67",
	    "netdev=net0,romfile= " } },
	{ "usb=1", { "piix3-usb-uhci,id=usb", "!usb-tablet" } },
	{ "usb=0", { "!usb-uhci", "usb=off" } },
	{ "usb=0\nusbdevice='tablet'", { "piix3-usb-uhci,id=usb", "usb-tablet,bus=usb.0" } },
	{ "usb=1\nusbdevice='mouse'\nusbversion=2",
	  { "-device usb-ehci,id=usb", "usb-mouse,bus=usb.0" } },
	{ "usbversion=3\nusbdevice=['mouse','keyboard']",
	  { "nec-usb-xhci", "usb-mouse,bus=usb.0", "usb-kbd,bus=usb.0" } },
	{ "serial='none'", { "!isa-serial", "!chardev serial" } },
	{ "serial='pty'",
	  { "-chardev serial,id=console,path=/dev/pts/9", "isa-serial,chardev=console" } },
	{ "sdl=1", { "-display sdl,gl=off", "!-vnc" } },
	{ "sdl=1\nopengl=1", { "-display sdl,gl=on", "!-vnc" } },
	{ "sdl=1\nvnc=1", { "-display sdl,gl=off", "-vnc none" } },
	{ "sdl=0\nvnc=0", { "-display none", "!sdl", "!-vnc" } },
	{ "sdl=1\nvnc=1\nnographic=1", { "-display none", "!sdl", "!-vnc" } },
	{ "vnc=0", { "-display none", "!-vnc" } },
	{ "nographic=1", { "-display none", "!VGA" } },
	{ "vga='cirrus'\nkeymap='de'", { "-device cirrus-vga", "-k de" } },
	{ "vncpasswd='secret'", { "-vnc none,password=on", "!secret" } },
	{ "kernel='/k,a'\nramdisk='/r'\nroot='/dev/sda'\nextra='a,b=c'",
	  { "-kernel /proc/self/fd/16", "-initrd /proc/self/fd/17", "-append root=/dev/sda a,b=c",
	    "!/k" } },
	{ "kernel='/usr/lib/xen/boot/hvmloader'", { "!-kernel" } },
	{ "device_model_version='qemu-xen'\ndevice_model_override='/opt/qemu'",
	  { "/opt/qemu -nod" } },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		json_t *config;
		struct hvm_args args;
		char why[ENGINE_WHY], *line;

		config = config_of(good[i].text);
		if (hvm_args_build(config, &host, false, &args, why))
			fail_msg("%s: %s", good[i].text, why);
		line = line_of(&args);
		for (size_t j = 0; j < 4 && good[i].parts[j]; j++) {
			const char *part = good[i].parts[j];

			if (part[0] == '!' ? strstr(line, part + 1) != NULL : !strstr(line, part))
				fail_msg("%s: \"%s\": %s", good[i].text, part, line);
		}
		free(line);
		hvm_args_fini(&args);
		json_decref(config);
	}
}

/* JSON, as any client may send it: the key that is refused, and what the reason has. */
static const struct {
	const char *json, *why;
} bad[] = {
	{ "{\"boot\":\"dx\"}", "boot: \"dx\": allowed" },
	{ "{\"boot\":\"cc\"}", "boot: " },
	{ "{\"name\":\"a,b\"}", "name: allowed" },
	{ "{\"uuid\":\"1,2\"}", "uuid: " },
	{ "{\"memory\":2}", "memory: allowed: 4 to" },
	{ "{\"memory\":\"64\"}", "memory: " },
	{ "{\"vcpus\":65}", "vcpus: allowed: 1 to 64" },
	{ "{\"vcpus\":4,\"maxvcpus\":2}", "maxvcpus: allowed: 4 to 64" },
	{ "{\"acpi\":2}", "acpi: allowed: 0 to 1" },
	{ "{\"keymap\":\"../x\"}", "keymap: " },
	{ "{\"serial\":\"file:/etc/passwd\"}", "serial: \"file:/etc/passwd\": allowed" },
	{ "{\"serial\":[\"pty\",\"pty\"]}", "serial: there is one port" },
	{ "{\"usbdevice\":[\"host:1:2\"]}", "usbdevice: \"host:1:2\": allowed" },
	{ "{\"vga\":\"x,y\"}", "vga: " },
	{ "{\"vncpasswd\":\"123456789\"}", "vncpasswd: allowed: at most 8" },
	{ "{\"vnclisten\":\"1.2.3.4:x\"}", "vnclisten: " },
	{ "{\"vncdisplay\":10000}", "vncdisplay: " },
	{ "{\"device_model_version\":\"qemu-xen-traditional\"}", "device_model_version: " },
	{ "{\"device_model_override\":\"qemu\"}", "device_model_override: " },
	{ "{\"kernel\":\"k\"}", "kernel: \"k\": allowed: the absolute path" },
	{ "{\"vif\":[{\"model\":\"x,y\"}]}", "vif: model \"x,y\": allowed" },
	{ "{\"vif\":[{\"type\":\"vif\"}]}", "vif: type=vif" },
	{ "{\"vif\":[{\"mac\":\"0,script=/x\"}]}", "vif: mac" },
	{ "{\"vif\":[{\"vifname\":\"twelveletter\"}]}", "vif: \"twelveletter-emu\"" },
	{ "{\"vif\":[{\"vifname\":\"a,b\"}]}", "vif: \"a,b-emu\"" },
	{ "{\"vif\":[{\"devid\":256}]}", "devid: allowed: 0 to 255" },
	{ "{\"vif\":[{},{},{},{},{},{},{},{},{}]}", "vif: allowed: at most 8" },
	{ "{\"disk\":[{\"vdev\":\"hda1\",\"target\":\"/a\"}]}", "disk: vdev \"hda1\"" },
	{ "{\"disk\":[{\"vdev\":\"vda\",\"devtype\":\"cdrom\"}]}", "disk: vdev \"vda\"" },
	{ "{\"disk\":[{\"vdev\":\"hda,x\",\"target\":\"/a\"}]}", "disk: vdev \"hda,x\"" },
	{ "{\"disk\":[{\"vdev\":\"hda\",\"target\":\"a\"}]}",
	  "disk: \"a\": allowed: the absolute" },
	{ "{\"disk\":[{\"vdev\":\"hda\"}]}", "disk: vdev \"hda\" has no target" },
	{ "{\"disk\":[{\"vdev\":\"hda\",\"target\":\"/a\",\"format\":\"nbd\"}]}",
	  "disk: format \"nbd\"" },
	{ "{\"disk\":[{\"vdev\":\"hda\",\"target\":\"/a\"},{\"vdev\":\"xvda\",\"target\":\"/a\"}]}",
	  "disk: vdev \"xvda\" is another" },
	{ "{\"disk\":[{\"vdev\":5}]}", "disk: vdev \"\"" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json_t *config = json_loads(bad[i].json, 0, NULL);
		struct hvm_args args;
		char why[ENGINE_WHY];

		assert_non_null(config);
		if (hvm_args_build(config, &host, false, &args, why) != -EINVAL ||
		    strncmp(why, bad[i].why, strlen(bad[i].why)) != 0)
			fail_msg("%s: \"%s\"", bad[i].json, why);
		hvm_args_fini(&args);
		json_decref(config);
	}
}

/* No text of a config gets where QEMU would take it apart. */
static void test_commas(void **state)
{
	json_t *config = json_loads(
		"{\"name\":\"g\",\"kernel\":\"/k,file=/etc/shadow\",\"disk\":["
		"{\"vdev\":\"hda\",\"target\":\"/a,file.filename=/etc/shadow\"}],"
		"\"cmdline\":\"x -drive file=/etc/shadow\"}",
		0, NULL);
	struct hvm_args args;
	char why[ENGINE_WHY];

	(void)state;
	assert_int_equal(hvm_args_build(config, &host, true, &args, why), 0);
	for (unsigned int i = 0; i < args.nr_args; i++)
		if (strstr(args.argv[i], "shadow"))
			assert_string_equal(args.argv[i - 1], "-append");
	assert_string_equal(args.argv[args.nr_args - 1], "-S");
	hvm_args_fini(&args);
	json_decref(config);
}

/* Where an X server is, and who may use it: QEMU's environment has nothing else. */
static void test_sdl(void **state)
{
	static const struct {
		const char *text, *env[2];
	} cases[] = {
		{ "vnc=1", { NULL } },
		{ "sdl=1", { "DISPLAY=:0" } },
		{ "sdl=1\ndisplay=':7'\nxauthority='/root/.Xauthority'",
		  { "DISPLAY=:7", "XAUTHORITY=/root/.Xauthority" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *config = config_of(cases[i].text);
		struct hvm_args args;
		char why[ENGINE_WHY];
		unsigned int nr = 0;

		assert_int_equal(hvm_args_build(config, &host, false, &args, why), 0);
		for (; nr < 2 && cases[i].env[nr]; nr++)
			assert_string_equal(args.env[nr], cases[i].env[nr]);
		assert_int_equal(args.nr_env, nr);
		assert_null(args.env[nr]);
		hvm_args_fini(&args);
		json_decref(config);
	}
}

/* A key that there is none of, or a value that no key has: where it stands in the file. */
static void test_unknown(void **state)
{
	static const struct {
		const char *text;
		unsigned int line, column;
		const char *hint;
	} cases[] = {
		{ "usbdevices='tablet'\n", 4, 1, "usbdevice" },
		{ "memory=64\n  local_time=1\n", 5, 3, "localtime" },
		{ "vnc=1 \nsdll=1\n", 5, 1, "sdl" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct diags diags = { 0 };
		json_t *config = NULL;
		char *whole;

		assert_true(asprintf(&whole, "%s%s", HEAD, cases[i].text) > 0);
		assert_int_not_equal(
			xlcfg_parse("f", whole, strlen(whole), NULL, 0, &diags, &config), 0);
		assert_int_equal(diags.nr, 1);
		assert_int_equal(diags.v[0].line, cases[i].line);
		assert_int_equal(diags.v[0].column, cases[i].column);
		assert_non_null(strstr(diags.v[0].hint, cases[i].hint));
		assert_null(config);
		diags_fini(&diags);
		free(whole);
	}
}

/* vnclisten=, vncdisplay= and vncunused=. */
static void test_vnc(void **state)
{
	static const struct {
		const char *text, *address;
		unsigned int display;
		bool search;
	} cases[] = {
		{ "", "127.0.0.1", 0, true },
		{ "vnclisten='0.0.0.0'\nvncdisplay=5", "0.0.0.0", 5, true },
		{ "vnclisten='10.0.0.1:3'\nvncunused=0", "10.0.0.1", 3, false },
		{ "vnclisten='[::1]:4'", "::1", 4, true },
		{ "vnclisten='fe80::1'", "fe80::1", 0, true },
		{ "vnclisten=''", "0.0.0.0", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *config = config_of(cases[i].text);
		struct hvm_args args;
		char why[ENGINE_WHY];

		assert_int_equal(hvm_args_build(config, &host, false, &args, why), 0);
		assert_string_equal(args.vnc.address, cases[i].address);
		assert_int_equal(args.vnc.display, cases[i].display);
		assert_int_equal(args.vnc.search, cases[i].search);
		hvm_args_fini(&args);
		json_decref(config);
	}
}

static void test_kvm(void **state)
{
	struct hvm_host with = host;
	json_t *config = config_of("apic=0");
	struct hvm_args args;
	char why[ENGINE_WHY], *line;

	(void)state;
	with.kvm = true;
	assert_int_equal(hvm_args_build(config, &with, false, &args, why), 0);
	line = line_of(&args);
	assert_non_null(strstr(line, "-accel kvm"));
	assert_non_null(strstr(line, "-cpu host,apic=off"));
	free(line);
	hvm_args_fini(&args);
	json_decref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guide), cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),   cmocka_unit_test(test_commas),
		cmocka_unit_test(test_vnc),   cmocka_unit_test(test_kvm),
		cmocka_unit_test(test_sdl),   cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
