"""Runs in either environment: carries out calls of the flat client, one line of JSON each, and tells what came of it.

Arguments: key file, URL, then modules to import first. Needs nothing but `moveshelf_api`, whichever package owns it.

A call is {"call": "api.getX" | "util.f" | "hash.f", "args", "kwargs", "save"}. In arguments {"$": "name.key"} is a
part of a result saved before, {"$api": 1} the client, {"$rate": "FPS_25"} a frame rate. The result is {"value",
"odd" (types that are not plain), "printed", "raised" (the classes of the exception), "text", "args"}.
"""

import contextlib
import importlib
import io
import json
import sys

PLAIN = (dict, list, str, int, float, bool, type(None))


def odd_types(value, path=""):
    """Where a value is of a subclass or of another type than JSON's."""
    found = [] if type(value) in PLAIN else [path + ":" + type(value).__name__]
    if isinstance(value, dict):
        for key, below in value.items():
            found += odd_types(below, path + "/" + str(key))
    elif isinstance(value, (list, tuple)):
        for below in value:
            found += odd_types(below, path + "/*")
    return sorted(set(found))


def main():
    key_file, url = sys.argv[1:3]
    for name in sys.argv[3:]:
        importlib.import_module(name)
    api_module = importlib.import_module("moveshelf_api.api")
    homes = {"util": importlib.import_module("moveshelf_api.util")}
    with contextlib.suppress(ImportError):
        homes["hash"] = importlib.import_module("moveshelf_api.utils.hash")
    homes["api"] = api = api_module.MoveshelfApi(key_file, url)
    saved = {}

    def real(value):
        if isinstance(value, dict):
            if "$" in value:
                found = saved
                for part in value["$"].split("."):
                    found = found[int(part)] if isinstance(found, list) else found[part]
                return found
            if "$api" in value:
                return api
            if "$rate" in value:
                return api_module.TimecodeFramerate[value["$rate"]]
            return {key: real(below) for key, below in value.items()}
        return [real(below) for below in value] if isinstance(value, list) else value

    print(json.dumps({"ready": api_module.__file__}), flush=True)
    for line in sys.stdin:
        call = json.loads(line)
        home, _, name = call["call"].partition(".")
        result = {"value": None, "odd": [], "raised": [], "text": ""}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                function = getattr(homes[home], name)
                args, kwargs = real(call.get("args", [])), real(call.get("kwargs", {}))
                value = function(*args, **kwargs)
                json.dumps(value)
                result.update(value=value, odd=odd_types(value))
                if call.get("save"):
                    saved[call["save"]] = value
            except Exception as error:
                result.update(raised=[kind.__name__ for kind in type(error).__mro__], text=str(error))
        result["printed"] = printed.getvalue()
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
