# All of this works without make too: ./run TARGET. ARGS are passed on: make test ARGS="tests/unit -x".
.PHONY: help demo test lint man completions bench deb clean
help:
	@./run --help
demo test lint man completions bench deb clean:
	@./run $@ $(ARGS)
