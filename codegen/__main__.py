"""`python -m codegen`: writes the generated files of `dataml/client`."""

from codegen.files import ROOT, generate


def main() -> None:
    """Write each generated file that is not as it should be, and name it."""
    for path, content in generate().items():
        if not path.exists() or path.read_text() != content:
            path.write_text(content)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
