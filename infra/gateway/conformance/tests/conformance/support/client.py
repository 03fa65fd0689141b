"""A WebSocket client of another language, which does what it is told, one JSON object a line, and says what came of it."""

import asyncio
import json
import sys

import websockets
from websockets.asyncio.client import connect


async def main() -> None:
    client = None
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        order = json.loads(line)
        kind = order["do"]
        try:
            if kind == "connect":
                client = await connect(
                    order["url"], subprotocols=order.get("subprotocols"), open_timeout=30, proxy=None
                )
                answer = {"subprotocol": client.subprotocol, "extensions": len(client.protocol.extensions)}
            elif kind == "send":
                await client.send(order.get("fragments") or order["text"])
                answer = {}
            elif kind == "send_binary":
                await client.send(bytes(order["bytes"]))
                answer = {}
            elif kind == "receive":
                answer = {"text": await asyncio.wait_for(client.recv(), 30)}
            elif kind == "ping":
                await asyncio.wait_for(await client.ping(order["payload"]), 30)
                answer = {"pong": True}
            elif kind == "close":
                await client.close(order["code"], order["reason"])
                answer = {"code": client.close_code}
            else:
                raise SystemExit(f"no such order: {kind}")
        except websockets.exceptions.InvalidStatus as error:
            answer = {"status": error.response.status_code}
        except websockets.exceptions.ConnectionClosed as error:
            answer = {"closed": error.rcvd.code if error.rcvd else None}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
