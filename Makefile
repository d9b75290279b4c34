# All of this works without make too: ./run TARGET. ARGS are passed on: make test ARGS="tests/unit -x".
.PHONY: help demo test lint man completions bench deb clean

help:
	@./run --help

demo:
	@./run demo $(ARGS)

test:
	@./run test $(ARGS)

lint:
	@./run lint $(ARGS)

man:
	@./run man $(ARGS)

completions:
	@./run completions $(ARGS)

bench:
	@./run bench $(ARGS)

deb:
	@./run deb $(ARGS)

clean:
	@./run clean $(ARGS)
