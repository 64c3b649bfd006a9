"""A local Discord over real sockets."""

from bot.sandbox.clock import ManualClock, SystemClock

from .app import SandboxDiscord
from .buckets import Limit
from .faults import Fault
from .interaction import Callback, Interaction, Modal
from .member import MemberDriver
from .message import Attachment, Message, Upload
from .options import SandboxOptions
from .permissions import PERMS_BOT, PERMS_MEMBER, PERMS_MODERATOR, Permission
from .picker import Refused
from .world import Channel, Guild, Member, Overwrite, Role, User, World

__all__ = [
    "PERMS_BOT",
    "PERMS_MEMBER",
    "PERMS_MODERATOR",
    "Attachment",
    "Callback",
    "Channel",
    "Fault",
    "Guild",
    "Interaction",
    "Limit",
    "ManualClock",
    "Member",
    "MemberDriver",
    "Message",
    "Modal",
    "Overwrite",
    "Permission",
    "Refused",
    "Role",
    "SandboxDiscord",
    "SandboxOptions",
    "SystemClock",
    "Upload",
    "User",
    "World",
]
