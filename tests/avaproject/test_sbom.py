from benchmarks.sbom import licence_of, main, without_tests


def component(name: str, *licences: dict[str, object]) -> dict[str, object]:
    return {"name": name, "bom-ref": f"{name}-ref", "licenses": list(licences)}


def test_packages_of_tests_are_left_out_with_what_needs_them():
    bill = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [component("Django"), component("pytest"), component("nvidia-cublas")],
        "dependencies": [
            {"ref": "root", "dependsOn": ["Django-ref", "pytest-ref"]},
            {"ref": "pytest-ref"},
        ],
    }
    found = without_tests(bill, "django==5.2.19 \\\n    --hash=sha256:0\n")
    assert [one["name"] for one in found["components"]] == ["Django", "nvidia-cublas"]
    assert found["dependencies"] == [{"ref": "root", "dependsOn": ["Django-ref"]}]


def test_a_licence_is_named_or_said_to_be_missing():
    assert licence_of(component("a", {"license": {"id": "MIT"}})) == "MIT"
    assert (
        licence_of(component("a", {"expression": "MIT OR Apache-2.0"})) == "MIT OR Apache-2.0"
    )
    both = component("a", {"license": {"name": "BSD"}}, {"license": {"id": "MIT"}})
    assert licence_of(both) == "BSD AND MIT"
    assert licence_of(component("a")) == "not stated"


def test_the_bill_names_what_is_installed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.sbom.OUT", tmp_path / "bill.json")
    main()
    assert '"name": "Django"' in (tmp_path / "bill.json").read_text()
    assert "packages in bill.json" in capsys.readouterr().out
