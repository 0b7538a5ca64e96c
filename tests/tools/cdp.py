#!/usr/bin/env python3
"""Asks Chromium for pages over --remote-debugging-pipe (descriptors 3 and 4), through any launcher.

cdp.py URL... -- LAUNCHER... CHROMIUM: prints the title and the text of each page. The launcher must keep
descriptors 3 and 4.
"""
import json, os, select, subprocess, sys

at = sys.argv.index("--")
urls, command = sys.argv[1:at], sys.argv[at + 1:]
command += ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--user-data-dir=/tmp/profile", "--remote-debugging-pipe", "about:blank"]
read, theirs_write = os.pipe()
theirs_read, write = os.pipe()


def pipes():
    os.dup2(theirs_read, 30), os.dup2(theirs_write, 31)
    os.dup2(30, 3), os.dup2(31, 4), os.close(30), os.close(31)
    os.set_inheritable(3, True), os.set_inheritable(4, True)


child = subprocess.Popen(command, preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL)
os.close(theirs_read), os.close(theirs_write)
buffer, number, seen = b"", 0, []


def message():
    global buffer
    while b"\0" not in buffer:
        if not select.select([read], [], [], 40)[0]:
            sys.exit("the browser does not answer")
        chunk = os.read(read, 1 << 20)
        if not chunk:
            sys.exit("the browser closed the pipe")
        buffer += chunk
    text, buffer = buffer.split(b"\0", 1)
    return json.loads(text)


def call(method, session=None, **params):
    global number
    number += 1
    request = {"id": number, "method": method, "params": params}
    if session:
        request["sessionId"] = session
    os.write(write, json.dumps(request).encode() + b"\0")
    while True:
        answer = message()
        seen.append(answer.get("method"))
        if answer.get("id") == number:
            return answer.get("result", answer)


for url in urls:
    target = call("Target.createTarget", url="about:blank")["targetId"]
    session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    call("Page.enable", session)
    seen.clear()
    call("Page.navigate", session, url=url)
    while "Page.loadEventFired" not in seen:
        seen.append(message().get("method"))
    for expression in ["document.title", "document.body.innerText"]:
        answer = call("Runtime.evaluate", session, expression=expression, returnByValue=True)
        print(answer["result"].get("value"))
call("Browser.close")
child.wait()
