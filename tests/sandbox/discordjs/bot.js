// An ordinary discord.js bot; where Discord is comes from the environment.
import {
  ActionRowBuilder,
  ApplicationCommandOptionType as Option,
  AttachmentBuilder,
  ButtonBuilder,
  ButtonStyle,
  Client,
  Events,
  GatewayIntentBits,
  MessageFlags,
  ModalBuilder,
  TextInputBuilder,
  TextInputStyle,
} from "discord.js";

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages],
  rest: { api: process.env.DISCORD_API },
});

const button = () =>
  new ActionRowBuilder().addComponents(
    new ButtonBuilder().setCustomId("why").setLabel("Why").setStyle(ButtonStyle.Primary),
  );

const dialog = () =>
  new ModalBuilder()
    .setCustomId("reason")
    .setTitle("Why?")
    .addComponents(
      new ActionRowBuilder().addComponents(
        new TextInputBuilder().setCustomId("text").setLabel("Reason").setStyle(TextInputStyle.Short),
      ),
    );

async function film(interaction) {
  const given = interaction.options.getAttachment("image", true);
  await interaction.deferReply();
  const bytes = Buffer.from(await (await fetch(given.url)).arrayBuffer());
  await interaction.editReply({
    content: `${interaction.options.getString("model")} ${given.width}x${given.height}`,
    files: [new AttachmentBuilder(bytes, { name: "back.png" })],
    components: [button()],
  });
  await interaction.followUp({
    flags: MessageFlags.IsComponentsV2 | MessageFlags.Ephemeral,
    files: [new AttachmentBuilder(bytes, { name: "card.png" })],
    components: [{ type: 12, items: [{ media: { url: "attachment://card.png" } }] }],
  });
  const message = await interaction.channel.send({ content: "posted", nonce: "n1", enforceNonce: true });
  await interaction.channel.send({ content: "posted", nonce: "n1", enforceNonce: true });
  await message.edit("edited");
  await (await interaction.channel.send("gone")).delete();
  await interaction.user.send("psst");
}

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isAutocomplete()) {
    await interaction.respond([{ name: "Wan", value: interaction.options.getFocused() }]);
  } else if (interaction.isChatInputCommand()) {
    await film(interaction);
  } else if (interaction.isButton()) {
    await interaction.showModal(dialog());
  } else if (interaction.isModalSubmit()) {
    await interaction.update({ content: interaction.fields.getTextInputValue("text"), components: [] });
  }
});

client.once(Events.ClientReady, async () => {
  await client.application.commands.set([
    {
      name: "film",
      description: "Makes a film",
      options: [
        { type: Option.Attachment, name: "image", description: "First picture", required: true },
        { type: Option.String, name: "model", description: "Which", autocomplete: true },
      ],
    },
  ]);
});

process.on("SIGTERM", () => client.destroy().then(() => process.exit(0)));
process.on("unhandledRejection", (error) => {
  console.error(error);
  process.exit(1);
});
await client.login(process.env.DISCORD_TOKEN);
