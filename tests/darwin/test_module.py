# SPDX-License-Identifier: Apache-2.0
"""The public header as Objective-C, Swift's importer and other compilers see it on macOS.

scripts/build-macos compiles the same module against the system's own headers.
"""

import json
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parents[1]
INCLUDE = SOURCE / "include"
MODULE_MAP = INCLUDE / "VmnetBroker/module.modulemap"
DARWIN = [
    "-D__APPLE__",
    "-U__linux__",
    "-fblocks",
    f"-isystem{HERE}/double/include",
    f"-isystem{HERE}/sdk/include",
]
OBJECTIVE_C = ["-xobjective-c", "-fobjc-runtime=macosx-26", "-fobjc-arc", "-fmodules"]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wnullability-completeness"]


def compile_text(text, *arguments, compiler="clang", platform=DARWIN):
    """What the compiler has to say; "" if it takes the text."""
    done = subprocess.run(
        [compiler, *platform, *WARNINGS[:3], *map(str, arguments), "-fsyntax-only", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.stderr


def import_module(text, directory, *arguments):
    return compile_text(
        f"@import VmnetBroker;\n{text}\n",
        *OBJECTIVE_C,
        *WARNINGS,
        f"-fmodules-cache-path={directory}/modules",
        *(arguments or [f"-I{INCLUDE}"]),
    )


@pytest.mark.parametrize(
    "found", [[f"-fmodule-map-file={MODULE_MAP}"], [f"-I{INCLUDE}"]], ids=["map", "folder"]
)
def test_the_module_is_found(directory, found):
    assert import_module("struct vmnet_broker *connection;", directory, *found) == ""


def test_a_client_in_objective_c_needs_the_module_only(directory):
    text = (HERE / "programs/module.m").read_text(encoding="utf-8")
    assert import_module(text.replace("@import VmnetBroker;", ""), directory) == ""


@pytest.mark.parametrize(
    "call",
    [
        "vmnet_broker_acquire(NULL, name, NULL)",
        "vmnet_broker_acquire(broker, NULL, NULL)",
        "vmnet_broker_release(broker, NULL)",
        "vmnet_broker_list(broker, NULL, &n)",
        "vmnet_broker_inspect(broker, name, NULL)",
        "vmnet_broker_next_event(broker, 0, NULL)",
        "vmnet_broker_network_serialization(broker, NULL, NULL)",
        "vmnet_broker_acquire_network(NULL, NULL)",
    ],
)
def test_what_may_not_be_null_is_said(directory, call):
    function = "void f(struct vmnet_broker *broker, const char *name, unsigned long n)"
    body = f"(void)broker, (void)name, (void)n, (void){call};"
    said = import_module(f"{function} {{ {body} }}", directory)
    assert "null passed to a callee that requires a non-null argument" in said


@pytest.mark.parametrize(
    "call",
    [
        "vmnet_broker_connect(NULL)",
        "vmnet_broker_close(NULL)",
        "vmnet_broker_acquire(broker, name, NULL)",
        "vmnet_broker_network_free(NULL)",
        "vmnet_broker_networks_free(NULL, 0)",
        "vmnet_broker_inspection_free(NULL)",
        "vmnet_broker_event_free(NULL)",
        "vmnet_broker_network_serialization(broker, name, NULL)",
        "vmnet_broker_acquire_network(name, NULL)",
    ],
)
def test_what_may_be_null_is_said(directory, call):
    function = "void f(struct vmnet_broker *broker, const char *name)"
    body = f"(void)broker, (void)name, (void){call};"
    assert import_module(f"{function} {{ {body} }}", directory) == ""


@pytest.mark.parametrize(
    "expression",
    [
        "vmnet_broker_connect(0)",
        "vmnet_broker_network_serialization(broker, name, 0)",
        "vmnet_broker_acquire_network(name, 0)",
        "network->description",
        "network->ipv4_subnet",
        "network->ipv4_gateway",
        "network->ipv6_prefix",
        "network->bridge",
        "network->fault",
        "network->configuration",
        "network->next_configuration",
        "lease->hostname",
        "event->interface",
        "event->client",
        "event->lease",
    ],
)
def test_what_may_come_back_as_null_is_said(directory, expression):
    text = f"""
    #pragma clang diagnostic error "-Wnullable-to-nonnull-conversion"
    void use(const void *_Nonnull pointer);
    void f(struct vmnet_broker *_Nonnull broker, const char *_Nonnull name,
           struct vmnet_broker_network *_Nonnull network,
           struct vmnet_broker_inspection *_Nonnull inspection,
           struct vmnet_broker_lease *_Nonnull lease, struct vmnet_broker_event *_Nonnull event)
    {{
        (void)broker, (void)name, (void)network, (void)inspection, (void)lease, (void)event;
        use({expression});
    }}"""
    assert "nullable pointer" in import_module(text, directory)


def enumerations():
    """Those of the header as clang has understood them, by a name of each."""
    done = subprocess.run(
        ["clang", *DARWIN, f"-I{INCLUDE}", "-fsyntax-only", "-Xclang", "-ast-dump=json"]
        + ["-xc", "-"],
        input="#include <vmnet-broker.h>\n",
        capture_output=True,
        text=True,
        check=True,
    )
    declarations = json.loads(done.stdout)["inner"]
    return {
        part["name"]: declaration
        for declaration in declarations
        if declaration["kind"] == "EnumDecl"
        for part in declaration["inner"]
        if part["kind"] == "EnumConstantDecl"
    }


@pytest.mark.parametrize(
    "name, kind, count",
    [("VMNET_BROKER_SHARED", "unsigned int", 3), ("VMNET_BROKER_EVENT_UNKNOWN", "int", 12)],
)
def test_enumerations_of_swift(name, kind, count):
    found = enumerations()[name]
    assert found["fixedUnderlyingType"]["qualType"] == kind
    assert "EnumExtensibilityAttr" in [part["kind"] for part in found["inner"]]
    constants = [part for part in found["inner"] if part["kind"] == "EnumConstantDecl"]
    assert len(constants) == count
    for constant in constants:
        assert "SwiftNameAttr" in [part["kind"] for part in constant["inner"]]


def test_the_statuses_are_in_swift_what_programs_know():
    # With the attribute they would lose the names that they have there.
    found = enumerations()["VMNET_BROKER_SUCCESS"]
    assert found["fixedUnderlyingType"]["qualType"] == "unsigned int"
    assert "EnumExtensibilityAttr" not in [part["kind"] for part in found["inner"]]


@pytest.mark.parametrize(
    "compiler, language, platform",
    [
        ("gcc", "-xc -std=c17", []),
        ("gcc", "-xc++ -std=c++11", []),
        ("clang", "-xc -std=c17", []),
        ("clang", "-xc++ -std=c++11", []),
        # gcc has no blocks, and is not on macOS.
        ("clang", "-xc -std=c17", DARWIN),
        ("clang", "-xc++ -std=c++11", DARWIN),
        ("clang", "-xc++ -std=c++20", DARWIN),
    ],
)
def test_other_languages_see_plain_c(compiler, language, platform):
    existing = (HERE / "programs/one_call.c").read_text(encoding="utf-8")
    text = existing if platform else "#include <vmnet-broker.h>\n"
    said = compile_text(
        text,
        *language.split(),
        "-Wpedantic",
        f"-I{INCLUDE}",
        compiler=compiler,
        platform=platform,
    )
    assert said == ""


@pytest.mark.parametrize("own", ["", "#define _Nullable /* own */ 1\n"], ids=["none", "own"])
def test_the_header_leaves_macros_of_compilers_as_they_were(own):
    done = subprocess.run(
        ["gcc", f"-I{INCLUDE}", "-Wall", "-Werror", "-E", "-dM", "-xc", "-"],
        input=f"{own}#include <vmnet-broker.h>\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "#define VMNET_BROKER_H" in done.stdout
    assert ("#define _Nullable 1\n" in done.stdout) == bool(own)
    assert ("_Nullable" in done.stdout) == bool(own) and "_Nonnull" not in done.stdout
