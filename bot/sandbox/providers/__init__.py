"""Local Chutes, CogVideoX and Pipelet over real sockets, by the providers' own documents. See docs/sandbox.md."""

from bot.sandbox.clock import Clock, ManualClock, SystemClock
from bot.sandbox.providers.app import SandboxProviders
from bot.sandbox.providers.faults import ProviderFault, ProviderFaults
from bot.sandbox.providers.noise import noise_film
from bot.sandbox.providers.options import CogVideoXOptions, SandboxProviderOptions
from bot.sandbox.providers.records import Generation, GenerationState, ReceivedImage, RequestRecord

__all__ = [
    "Clock",
    "CogVideoXOptions",
    "Generation",
    "GenerationState",
    "ManualClock",
    "ProviderFault",
    "ProviderFaults",
    "ReceivedImage",
    "RequestRecord",
    "SandboxProviderOptions",
    "SandboxProviders",
    "SystemClock",
    "noise_film",
]
