# ED-Pose on ResNet-50: MMPose's edpose_res50_8xb2-50e_coco-800x1333 for inference, in strings. MMPose's own file begins
# with mmpose.configs._base_, which its wheel does not have.

default_scope = "mmpose"

codec = dict(type="EDPoseLabel", num_select=50, num_keypoints=17)

model = dict(
    type="BottomupPoseEstimator",
    data_preprocessor=dict(
        type="PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
    ),
    backbone=dict(
        type="ResNet",
        depth=50,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type="FrozenBatchNorm2d", requires_grad=False),
        norm_eval=True,
        style="pytorch",
    ),
    neck=dict(
        type="ChannelMapper",
        in_channels=[512, 1024, 2048],
        kernel_size=1,
        out_channels=256,
        act_cfg=None,
        norm_cfg=dict(type="GN", num_groups=32),
        num_outs=4,
    ),
    head=dict(
        type="EDPoseHead",
        num_queries=900,
        num_feature_levels=4,
        num_keypoints=17,
        as_two_stage=True,
        encoder=dict(
            num_layers=6,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, num_heads=8, num_levels=4, num_points=4, batch_first=True),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=2048, num_fcs=2, ffn_drop=0.0),
            ),
        ),
        decoder=dict(
            num_layers=6,
            embed_dims=256,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, num_heads=8, batch_first=True),
                cross_attn_cfg=dict(embed_dims=256, batch_first=True),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=2048, ffn_drop=0.1),
            ),
            query_dim=4,
            num_feature_levels=4,
            num_group=100,
            num_dn=100,
            num_box_decoder_layers=2,
            return_intermediate=True,
        ),
        out_head=dict(num_classes=2),
        positional_encoding=dict(num_pos_feats=128, temperatureH=20, temperatureW=20, normalize=True),
        denosing_cfg=dict(
            dn_box_noise_scale=0.4,
            dn_label_noise_ratio=0.5,
            dn_labelbook_size=100,
            dn_attn_mask_type_list=["match2dn", "dn2dn", "group2group"],
        ),
        data_decoder=codec,
    ),
    test_cfg=dict(Pmultiscale_test=False, num_select=50),
    train_cfg=dict(),
)

val_pipeline = [
    dict(type="LoadImage"),
    dict(type="BottomupRandomChoiceResize", scales=[(800, 1333)], keep_ratio=True, backend="pillow"),
    dict(
        type="PackPoseInputs",
        meta_keys=(
            "id", "img_id", "img_path", "crowd_index", "ori_shape", "img_shape", "input_size", "input_center",
            "input_scale", "flip", "flip_direction", "flip_indices", "raw_ann_info", "skeleton_links",
        ),
    ),
]
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    dataset=dict(type="CocoDataset", data_mode="bottomup", test_mode=True, pipeline=val_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric", nms_mode="none", score_mode="keypoint")
test_evaluator = val_evaluator
