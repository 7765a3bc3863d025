# SPDX-License-Identifier: Apache-2.0
"""A WHIP or WHEP client on aiortc, whose ICE, DTLS, SRTP, SDP, codecs and jitter buffer are its own and nothing of ours.

Only what is between is written here: the POST and DELETE of RFC 9725, by Python's own HTTP client. It goes on until its
standard input ends, and then prints what it saw as JSON.
"""

import argparse
import asyncio
import json
import ssl
import sys
import urllib.parse
import urllib.request
import wave

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.contrib.media import MediaPlayer
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

parser = argparse.ArgumentParser()
parser.add_argument("--url", required=True)
parser.add_argument("--token", required=True)
parser.add_argument("--ca", required=True, help="PEM file with the authority of the endpoint")
parser.add_argument("--say", help="WAV file to speak; without it the peer only listens")
parser.add_argument("--video", choices=["VP8", "H264"], help="codec of the video to show or to see")
parser.add_argument("--heard", required=True, help="WAV file to write")
args = parser.parse_args()
trust = ssl.create_default_context(cafile=args.ca)


def request(method, url, body=None):
    headers = {"Authorization": "Bearer " + args.token}
    if body is not None:
        headers["Content-Type"] = "application/sdp"
    r = urllib.request.Request(url, data=body, headers=headers, method=method)
    with urllib.request.urlopen(r, context=trust, timeout=10) as reply:
        return reply.status, reply.headers, reply.read().decode()


class Picture(VideoStreamTrack):
    """A small one, so that the encoder leaves the processor to the voice."""

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=320, height=240)
        for p in frame.planes:
            p.update(bytes(p.buffer_size))
        frame.pts, frame.time_base = pts, time_base
        return frame


class Heard:
    """What an audio track brings, each frame at the place that its time gives it."""

    def __init__(self):
        self.first, self.rate, self.channels, self.samples, self.codec_frames = None, 48000, 2, bytearray(), 0

    async def listen(self, track):
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self.codec_frames += 1
            self.rate, self.channels = frame.sample_rate, len(frame.layout.channels)
            if self.first is None:
                self.first = frame.pts
            width = 2 * self.channels
            at = (frame.pts - self.first) * width
            raw = bytes(frame.planes[0])[: frame.samples * width]
            if at < 0:
                continue
            if len(self.samples) < at + len(raw):
                self.samples.extend(bytes(at + len(raw) - len(self.samples)))
            self.samples[at : at + len(raw)] = raw

    def write(self, path):
        with wave.open(path, "wb") as w:
            w.setnchannels(self.channels)
            w.setsampwidth(2)
            w.setframerate(self.rate)
            w.writeframes(bytes(self.samples))


async def watch(track, seen):
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        seen["videoFrames"] += 1
        seen["width"], seen["height"] = frame.width, frame.height


async def main():
    pc, heard, seen, tasks = RTCPeerConnection(), Heard(), {"videoFrames": 0, "width": 0, "height": 0}, []
    connected = asyncio.Event()

    @pc.on("track")
    def on_track(track):
        tasks.append(asyncio.ensure_future(heard.listen(track) if track.kind == "audio" else watch(track, seen)))

    @pc.on("connectionstatechange")
    def on_state():
        if pc.connectionState == "connected":
            print(json.dumps({"state": "connected"}), flush=True)
            connected.set()

    if args.say:
        pc.addTrack(MediaPlayer(args.say).audio)
    else:
        pc.addTransceiver("audio", direction="recvonly")
    if args.video:
        direction = "sendrecv" if args.say else "recvonly"
        transceiver = pc.addTransceiver(Picture() if args.say else "video", direction=direction)
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "video/" + args.video])

    await pc.setLocalDescription(await pc.createOffer())
    loop = asyncio.get_event_loop()
    status, headers, answer = await loop.run_in_executor(None, request, "POST", args.url, pc.localDescription.sdp.encode())
    assert status == 201, status
    session = urllib.parse.urljoin(args.url, headers["Location"])
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.wait_for(connected.wait(), 20)
    await loop.run_in_executor(None, sys.stdin.read)

    status, _, _ = await loop.run_in_executor(None, request, "DELETE", session)
    assert status == 200, status
    await pc.close()
    heard.write(args.heard)
    print(json.dumps({"state": "over", "audioFrames": heard.codec_frames, **seen}), flush=True)


asyncio.run(main())
